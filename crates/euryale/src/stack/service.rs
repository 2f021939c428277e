//! The service that a stack is built into.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::request::Internal;
use euryale_core::{Body, BoxError, Response};
use tower::util::BoxCloneSyncService;
use tower_service::Service;

/// A complete [`Stack`](crate::Stack). It accepts requests with any body, never fails, and is cheap
/// to clone.
#[derive(Clone)]
pub struct StackService {
    inner: BoxCloneSyncService<http::Request<Body>, Response, Infallible>,
    internal: Internal,
}

impl StackService {
    pub(super) fn new(
        inner: BoxCloneSyncService<http::Request<Body>, Response, Infallible>,
        internal: Internal,
    ) -> Self {
        Self { inner, internal }
    }

    /// Returns the handle for sub-requests that is attached to each request. Code outside the stack
    /// needs it to make sub-requests, such as a chain of transforms around a whole router.
    pub fn internal(&self) -> &Internal {
        &self.internal
    }
}

impl<B> Service<http::Request<B>> for StackService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <BoxCloneSyncService<http::Request<Body>, Response, Infallible> as Service<
        http::Request<Body>,
    >>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        self.internal.attach(request.extensions_mut());
        self.inner.call(request)
    }
}

impl fmt::Debug for StackService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StackService")
    }
}
