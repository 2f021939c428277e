//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError, Response};
use pin_project_lite::pin_project;

use crate::answer::Serving;
use crate::asked::Asked;

pin_project! {
    /// The future of [`ServeBlob`](crate::ServeBlob): waits for the inner service and turns its
    /// response into the answer.
    pub struct ServeBlobFuture<F> {
        #[pin]
        inner: F,
        asked: Asked,
        serving: Arc<Serving>,
    }
}

impl<F> ServeBlobFuture<F> {
    pub(crate) fn new(inner: F, asked: Asked, serving: Arc<Serving>) -> Self {
        Self {
            inner,
            asked,
            serving,
        }
    }
}

impl<F, B, E> Future for ServeBlobFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?.map(Body::new);
        Poll::Ready(Ok(this.serving.answer(this.asked, response)))
    }
}

impl<F> fmt::Debug for ServeBlobFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServeBlobFuture")
    }
}
