//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use euryale_core::{Error, Request};
use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// The future of [`Spool`](crate::Spool).
    pub struct SpoolFuture<S: Service<Request>> {
        #[pin]
        state: State<S>,
    }
}

pin_project! {
    /// Reading ⇒ (Called, Complete or an error), Complete ⇒ (Called or an error), Called ⇒ the
    /// answer, Refused ⇒ an error. Requests wait in Called, which determines the size; the other
    /// states keep their data on the heap.
    #[project = StateProj]
    enum State<S: Service<Request>> {
        Reading { whole: Whole, inner: Option<Box<S>> },
        Complete { complete: Box<(Option<Request>, S)> },
        Called { #[pin] answer: S::Future },
        Refused { error: Option<Error> },
    }
}

type Whole = Pin<Box<dyn Future<Output = Result<Request, Error>> + Send>>;

impl<S: Service<Request>> SpoolFuture<S> {
    pub(crate) fn reading(whole: Whole, inner: S) -> Self {
        Self {
            state: State::Reading {
                whole,
                inner: Some(Box::new(inner)),
            },
        }
    }

    pub(crate) fn complete(request: Request, inner: S) -> Self
    where
        S::Error: Into<Error>,
    {
        Self {
            state: State::complete(request, inner),
        }
    }

    pub(crate) fn refused(error: Error) -> Self {
        Self {
            state: State::Refused { error: Some(error) },
        }
    }
}

impl<S> State<S>
where
    S: Service<Request>,
    S::Error: Into<Error>,
{
    /// Calls the service if it is ready, as most services always are. Otherwise it is polled again,
    /// and can wake the task.
    fn complete(request: Request, mut inner: S) -> Self {
        match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Called {
                answer: inner.call(request),
            },
            Poll::Ready(Err(error)) => Self::Refused {
                error: Some(error.into()),
            },
            Poll::Pending => Self::Complete {
                complete: Box::new((Some(request), inner)),
            },
        }
    }
}

impl<S> Future for SpoolFuture<S>
where
    S: Service<Request>,
    S::Error: Into<Error>,
{
    type Output = Result<S::Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Reading { whole, inner } => {
                    let request = ready!(whole.as_mut().poll(cx))?;
                    // The value is taken only once, because the state changes below.
                    let Some(inner) = inner.take() else {
                        return Poll::Pending;
                    };
                    State::complete(request, *inner)
                }
                StateProj::Complete { complete } => {
                    let (request, inner) = &mut **complete;
                    ready!(inner.poll_ready(cx)).map_err(Into::into)?;
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    State::Called {
                        answer: inner.call(request),
                    }
                }
                StateProj::Called { answer } => return answer.poll(cx).map_err(Into::into),
                StateProj::Refused { error } => {
                    // A future that is polled after completion, against the contract, is pending
                    // forever.
                    return error
                        .take()
                        .map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request>> fmt::Debug for SpoolFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpoolFuture")
    }
}
