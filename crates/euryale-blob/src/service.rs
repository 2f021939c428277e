//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use tower_service::Service;

use crate::answer::Serving;
use crate::asked::Asked;
use crate::future::ServeBlobFuture;

/// Serves blobs; made by [`ServeBlobLayer`](crate::ServeBlobLayer).
#[derive(Clone)]
pub struct ServeBlob<S> {
    pub(crate) inner: S,
    pub(crate) serving: Arc<Serving>,
}

euryale_core::inner_service!(ServeBlob<S>);

impl<S, Q, B> Service<http::Request<Q>> for ServeBlob<S>
where
    S: Service<http::Request<Q>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ServeBlobFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Q>) -> ServeBlobFuture<S::Future> {
        let asked = Asked::of(&request);
        ServeBlobFuture::new(self.inner.call(request), asked, Arc::clone(&self.serving))
    }
}

impl<S: fmt::Debug> fmt::Debug for ServeBlob<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeBlob")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
