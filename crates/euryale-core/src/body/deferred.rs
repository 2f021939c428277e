//! A response that is computed after its transaction.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tracing::{Instrument, Span};

use crate::body::{Body, TakeOnce};
use crate::error::{BoxError, CatchPanic, drop_quietly};
use crate::request::Response;
use crate::threads::{Done, RunBlocking, Work};

/// A response that is still being computed after the worker has been released.
///
/// A `DeferredLayer` waits for it before it sends a head, so that status, type and length are
/// right. Without that layer the body waits by itself. The head has been sent by then, so a status
/// other than 2xx ends the body with an error.
///
/// A publisher answers with it like with any other body. An axum handler returns it directly
/// (feature `axum`), or a `Response` made from it (`From`): both have a handle in their extensions,
/// because axum's own body hides it from the layer.
///
/// # Errors
/// The error that the future or the function returns, or a
/// [`PanicMessage`](crate::error::PanicMessage). For [`blocking`](Deferred::blocking), also an
/// [`Error`](crate::error::Error) if there is no thread.
#[doc(alias = "AsyncWorkerStreamIterator")]
pub struct Deferred {
    way: Way,
}

enum Way {
    Future(Pin<Box<dyn Future<Output = Computed> + Send>>),
    Blocking {
        start: Option<Start>,
        runner: Option<Arc<dyn RunBlocking>>,
    },
    Running(Done<Computed>),
}

type Computed = Result<Response, BoxError>;
type Start = Box<dyn FnOnce() -> (Work, Done<Computed>) + Send>;

impl Deferred {
    /// Takes a future that computes the response. It is polled in the span in which it was made,
    /// and dropped when the client disconnects.
    pub fn new<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let future = async move { CatchPanic::new(future).await?.map_err(Into::into) };
        Self {
            way: Way::Future(Box::pin(future.instrument(Span::current()))),
        }
    }

    /// Takes a function that computes the response on a thread that may block. If the client
    /// disconnects, the function still runs to its end, and its result is dropped.
    pub fn blocking<F, E>(compute: F) -> Self
    where
        F: FnOnce() -> Result<Response, E> + Send + 'static,
        E: Into<BoxError>,
    {
        let span = Span::current();
        let start = Box::new(move || span.in_scope(|| Work::new(|| compute().map_err(Into::into))));
        Self {
            way: Way::Blocking {
                start: Some(start),
                runner: None,
            },
        }
    }

    /// Returns whether the computation needs a thread.
    pub fn is_blocking(&self) -> bool {
        !matches!(self.way, Way::Future(_))
    }

    /// Makes `runner` run the computation if it needs a thread, instead of the previous runner. Has
    /// no effect once it is running.
    pub fn run_by(&mut self, by: Arc<dyn RunBlocking>) {
        if let Way::Blocking { runner, .. } = &mut self.way {
            *runner = Some(by);
        }
    }
}

impl Future for Deferred {
    type Output = Computed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.way = match &mut self.way {
                Way::Future(future) => return future.as_mut().poll(cx),
                Way::Running(done) => return Poll::Ready(ready!(Pin::new(done).poll(cx))?),
                Way::Blocking { start, runner } => {
                    // The future was polled after completion, against the contract.
                    let Some(start) = start.take() else {
                        return Poll::Pending;
                    };
                    let (work, done) = start();
                    work.start(runner.take().as_ref())?;
                    Way::Running(done)
                }
            };
        }
    }
}

impl From<Deferred> for Response {
    /// Makes a response with the body and its handle. Status and headers are those of the computed
    /// response.
    fn from(deferred: Deferred) -> Self {
        let deferred = TakeOnce::new(deferred);
        let mut response = Self::new(Body::from(deferred.clone()));
        response
            .extensions_mut()
            .insert(DeferredHandle { deferred });
        response
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        // It is dropped on another thread, because this task may also serve other clients.
        let ended = Way::Blocking {
            start: None,
            runner: None,
        };
        drop_quietly(std::mem::replace(&mut self.way, ended));
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}

/// The handle of a [`Deferred`] body in the extensions of a response.
///
/// Trust it only while nothing has changed the body: no `Content-Encoding`, and not polled yet.
#[derive(Clone)]
pub struct DeferredHandle {
    pub(crate) deferred: TakeOnce<Deferred>,
}

impl DeferredHandle {
    /// Takes the deferred response, which is possible once. Its body then fails when it is polled.
    pub fn take(&self) -> Option<Deferred> {
        self.deferred.take()
    }

    /// Returns whether the deferred response was taken.
    pub fn is_taken(&self) -> bool {
        self.deferred.is_taken()
    }

    /// Returns whether the deferred response needs a thread; `false` if it was taken.
    pub fn is_blocking(&self) -> bool {
        let mut is_blocking = false;
        self.deferred
            .update(|deferred| is_blocking = deferred.is_blocking());
        is_blocking
    }
}

impl fmt::Debug for DeferredHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredHandle")
            .field("taken", &self.is_taken())
            .finish()
    }
}

/// The body of a deferred response without a layer.
pub(crate) enum DeferredBody {
    Untouched(TakeOnce<Deferred>),
    Waiting(Deferred),
    Sending(Box<Body>),
    Failed,
}

impl DeferredBody {
    /// Untouched ⇒ Waiting at the first poll, Waiting ⇒ Sending when the response is computed; any
    /// error ⇒ Failed.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let next = match self {
                Self::Untouched(deferred) => deferred
                    .take()
                    .map(Self::Waiting)
                    .ok_or_else(|| "a layer took the deferred response".into()),
                Self::Waiting(deferred) => {
                    ready!(Pin::new(deferred).poll(cx)).and_then(|response| {
                        if response.status().is_success() {
                            return Ok(Self::Sending(Box::new(response.into_body())));
                        }
                        Err(format!(
                            "a deferred response ended with {} after its head",
                            response.status()
                        )
                        .into())
                    })
                }
                Self::Sending(body) => return Pin::new(body).poll_frame(cx),
                Self::Failed => return Poll::Ready(None),
            };
            match next {
                Ok(next) => *self = next,
                Err(error) => {
                    *self = Self::Failed;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
