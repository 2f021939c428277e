//! A response that is computed after its transaction.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use crate::handle::TakeOnce;
use crate::{Body, BoxError, Response};

/// A response that is still being computed, after the worker is free.
///
/// A `DeferredLayer` waits for it before it sends a head, so that status, type and length are right. Without
/// that layer the body waits by itself; the head is gone by then, so a status other than 2xx ends the body
/// with an error.
pub struct Deferred {
    future: Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>,
}

impl Deferred {
    /// Takes a future that computes the response.
    pub fn new<F, E>(future: F) -> Self
    where
        F: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self { future: Box::pin(async move { future.await.map_err(Into::into) }) }
    }
}

impl Future for Deferred {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}

/// Stands in the extensions of a response whose body is [`Deferred`].
///
/// Trust it only while nothing has changed the body: no `Content-Encoding`, and not polled yet.
#[derive(Clone)]
pub struct DeferredHandle {
    pub(crate) deferred: TakeOnce<Deferred>,
}

impl DeferredHandle {
    /// The deferred response, once: the body that it came with fails when it is polled.
    pub fn take(&self) -> Option<Deferred> {
        self.deferred.take()
    }
}

impl fmt::Debug for DeferredHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredHandle").field("taken", &self.deferred.is_taken()).finish()
    }
}

/// The body of a deferred response that met no layer.
pub(crate) enum DeferredBody {
    Untouched(TakeOnce<Deferred>),
    Waiting(Deferred),
    Sending(Box<Body>),
    Failed,
}

impl DeferredBody {
    /// Untouched ⇒ Waiting at the first poll, Waiting ⇒ Sending when the response is there; any error ⇒ Failed.
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
                Self::Waiting(deferred) => ready!(Pin::new(deferred).poll(cx)).and_then(|response| {
                    if response.status().is_success() {
                        return Ok(Self::Sending(Box::new(response.into_body())));
                    }
                    Err(format!("a deferred response ended with {} after its head", response.status()).into())
                }),
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
