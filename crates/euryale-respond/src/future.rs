//! The future.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError, Error, Response};
use pin_project_lite::pin_project;

use crate::log::Throttle;
use crate::page::{Asked, Page, Problem};
use crate::{log, page};

pin_project! {
    /// The future of [`Respond`](crate::Respond).
    pub struct RespondFuture<F> {
        #[pin]
        state: State<F>,
        asked: Asked,
        page: Option<Page>,
        throttle: Arc<Throttle>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        /// The inner service is working on the answer.
        Called { #[pin] inner: F },
        /// The inner service was not ready.
        Failed { error: Option<Error> },
    }
}

impl<F> RespondFuture<F> {
    pub(crate) fn new(inner: F, asked: Asked, page: Option<Page>, throttle: Arc<Throttle>) -> Self {
        Self {
            state: State::Called { inner },
            asked,
            page,
            throttle,
        }
    }

    pub(crate) fn failed(
        error: Error,
        asked: Asked,
        page: Option<Page>,
        throttle: Arc<Throttle>,
    ) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
            asked,
            page,
            throttle,
        }
    }
}

impl<F, B, E> Future for RespondFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    E: Into<Error>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut error: Error = match this.state.project() {
            StateProj::Called { inner } => match Error::raise(ready!(inner.poll(cx))) {
                Ok(response) => return Poll::Ready(Ok(response.map(Body::new))),
                Err(error) => error,
            },
            StateProj::Failed { error } => match error.take() {
                Some(error) => error,
                // The future was polled after completion, against the contract.
                None => return Poll::Pending,
            },
        };
        if let Some(response) = error.take_response() {
            return Poll::Ready(Ok(response));
        }
        log::error(&error, this.asked, this.throttle);
        let problem = Problem::new(&error, this.asked);
        Poll::Ready(Ok(page::respond(&problem, this.page.as_ref())))
    }
}

impl<F> fmt::Debug for RespondFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondFuture")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
