//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use tower_service::Service;

use crate::TransformChainFuture;
use crate::chain::Chain;

/// Transforms responses; made by [`TransformChainLayer`](crate::TransformChainLayer).
#[derive(Clone)]
pub struct TransformChain<S> {
    inner: S,
    chain: Arc<Chain>,
}

euryale_core::inner_service!(TransformChain<S>);

impl<S> TransformChain<S> {
    pub(crate) fn new(inner: S, chain: Arc<Chain>) -> Self {
        Self { inner, chain }
    }
}

impl<S, A, B> Service<http::Request<A>> for TransformChain<S>
where
    S: Service<http::Request<A>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = TransformChainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<A>) -> Self::Future {
        let (asked, request) = self.chain.ask(request);
        TransformChainFuture::new(self.inner.call(request), asked, Arc::clone(&self.chain))
    }
}

impl<S: fmt::Debug> fmt::Debug for TransformChain<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformChain")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
