//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::Error;
use tower_service::Service;

use crate::future::RepublishFuture;
use crate::run::Engine;

/// Publishes suspended requests again; made by [`RepublishLayer`](crate::RepublishLayer).
///
/// It requires requests that can be cloned. Inside `ConnectionLimit`, requests are `Publication`s,
/// which cannot be cloned. So a `Republish` there, which would wait for a second permit while
/// holding one, does not compile.
#[derive(Clone)]
pub struct Republish<S> {
    pub(crate) inner: S,
    pub(crate) engine: Arc<Engine>,
}

euryale_core::inner_service!(Republish<S>);

impl<S, B, R> Service<http::Request<B>> for Republish<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone,
    S::Error: Into<Error>,
    B: Clone,
{
    type Response = http::Response<R>;
    type Error = Error;
    type Future = RepublishFuture<S, B>;

    /// Always ready. The inner service is polled for readiness before each pass, because its
    /// readiness may hold a resource that must not be held between passes.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> RepublishFuture<S, B> {
        RepublishFuture::new(self.inner.clone(), Arc::clone(&self.engine), request)
    }
}

impl<S: fmt::Debug> fmt::Debug for Republish<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Republish")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
