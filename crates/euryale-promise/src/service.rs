//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::Error;
use tower_service::Service;

use crate::future::{RepublishFuture, passes};
use crate::run::Engine;

/// Publishes again what was suspended; made by [`RepublishLayer`](crate::RepublishLayer).
///
/// It takes requests that can be cloned. What stands inside a cap on connections is a `Publication`, which cannot: a
/// `Republish` there, which would wait for a second permit while holding one, does not compile.
#[derive(Clone)]
pub struct Republish<S> {
    pub(crate) inner: S,
    pub(crate) engine: Arc<Engine>,
}

impl<S, B, R> Service<http::Request<B>> for Republish<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Error: Into<Error>,
    S::Future: Send,
    B: Clone + Send + 'static,
    R: Send + 'static,
{
    type Response = http::Response<R>;
    type Error = Error;
    type Future = RepublishFuture<R>;

    /// Always ready. The service inside is asked before each pass: what its readiness may hold is not held meanwhile.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> RepublishFuture<R> {
        let (inner, engine) = (self.inner.clone(), Arc::clone(&self.engine));
        RepublishFuture { inner: Box::pin(passes(inner, engine, request)) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Republish<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Republish").field("inner", &self.inner).finish_non_exhaustive()
    }
}
