//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError, Response};
use pin_project_lite::pin_project;

use crate::refusal::Refusal;

pin_project! {
    /// The future of [`Forwarded`](crate::Forwarded), [`VirtualHost`](crate::VirtualHost) and
    /// [`CheckHost`](crate::CheckHost).
    pub struct ForwardedFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    /// Refused ⇒ 400 or 421, without a call. Called ⇒ the answer of the inner service.
    #[project = StateProj]
    enum State<F> {
        Refused { refusal: Refusal },
        Called { #[pin] inner: F },
    }
}

impl<F> ForwardedFuture<F> {
    pub(crate) fn new(called: Result<F, impl Into<Refusal>>) -> Self {
        let state = match called {
            Ok(inner) => State::Called { inner },
            Err(refusal) => State::Refused {
                refusal: refusal.into(),
            },
        };
        Self { state }
    }
}

impl<F, B, E> Future for ForwardedFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { refusal } => Poll::Ready(Ok(refusal.response())),
            StateProj::Called { inner } => Poll::Ready(Ok(ready!(inner.poll(cx))?.map(Body::new))),
        }
    }
}

impl<F> fmt::Debug for ForwardedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardedFuture")
    }
}
