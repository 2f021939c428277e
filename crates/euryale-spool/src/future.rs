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
    /// Reading ⇒ (Called or an error), Called ⇒ the answer, Refused ⇒ an error.
    #[project = StateProj]
    enum State<S: Service<Request>> {
        Reading { whole: Whole, inner: S },
        Called { #[pin] answer: S::Future },
        Refused { error: Option<Error> },
    }
}

type Whole = Pin<Box<dyn Future<Output = Result<Request, Error>> + Send>>;

impl<S: Service<Request>> SpoolFuture<S> {
    pub(crate) fn reading(whole: Whole, inner: S) -> Self {
        Self { state: State::Reading { whole, inner } }
    }

    pub(crate) fn called(answer: S::Future) -> Self {
        Self { state: State::Called { answer } }
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
            let called = match this.state.as_mut().project() {
                StateProj::Reading { whole, inner } => {
                    let request = ready!(whole.as_mut().poll(cx))?;
                    State::Called { answer: inner.call(request) }
                }
                StateProj::Called { answer } => return answer.poll(cx).map_err(Into::into),
                StateProj::Refused { error } => {
                    // Polled after it was ready, as no caller may: pending for ever.
                    return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
            };
            this.state.set(called);
        }
    }
}

impl<S: Service<Request>> fmt::Debug for SpoolFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpoolFuture")
    }
}
