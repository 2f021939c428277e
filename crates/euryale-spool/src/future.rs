//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
    /// Reading ⇒ (Complete or an error), Complete ⇒ (Called or an error), Called ⇒ the answer, Refused ⇒ an
    /// error.
    #[project = StateProj]
    enum State<S: Service<Request>> {
        Reading { whole: Whole, inner: Option<S> },
        Complete { request: Option<Request>, inner: S },
        Called { #[pin] answer: S::Future },
        Refused { error: Option<Error> },
    }
}

type Whole = Pin<Box<dyn Future<Output = Result<Request, Error>> + Send>>;

impl<S: Service<Request>> SpoolFuture<S> {
    pub(crate) fn reading(whole: Whole, inner: S) -> Self {
        Self { state: State::Reading { whole, inner: Some(inner) } }
    }

    pub(crate) fn complete(request: Request, inner: S) -> Self {
        Self { state: State::Complete { request: Some(request), inner } }
    }

    pub(crate) fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
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
                    let request = Some(ready!(whole.as_mut().poll(cx))?);
                    // Taken once: the state changes below.
                    let Some(inner) = inner.take() else { return Poll::Pending };
                    State::Complete { request, inner }
                }
                StateProj::Complete { request, inner } => {
                    ready!(inner.poll_ready(cx)).map_err(Into::into)?;
                    let Some(request) = request.take() else { return Poll::Pending };
                    State::Called { answer: inner.call(request) }
                }
                StateProj::Called { answer } => return answer.poll(cx).map_err(Into::into),
                StateProj::Refused { error } => {
                    // Polled after it was ready, as no caller may: pending for ever.
                    return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
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
