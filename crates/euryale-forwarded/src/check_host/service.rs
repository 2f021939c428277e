//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use http::Request;
use tower_service::Service;

use super::AllowedHosts;
use crate::PublicUrl;
use crate::future::ForwardedFuture;
use crate::public_url::Facts;
use crate::refusal::Refusal;

/// Answers requests for some hosts only; made by [`CheckHostLayer`](crate::CheckHostLayer).
#[derive(Clone)]
pub struct CheckHost<S> {
    pub(super) inner: S,
    pub(super) hosts: Arc<AllowedHosts>,
}

euryale_core::inner_service!(CheckHost<S>);

impl<S, Q, B> Service<Request<Q>> for CheckHost<S>
where
    S: Service<Request<Q>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ForwardedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> ForwardedFuture<S::Future> {
        let (parts, body) = request.into_parts();
        let is_ours = match PublicUrl::of(&parts.extensions) {
            Some(url) => self.hosts.contain(url),
            None => self.hosts.contain(&PublicUrl::new(Facts::of(&parts))),
        };
        if !is_ours && !self.hosts.excuse(&parts) {
            return ForwardedFuture::new(Err(Refusal::Misdirected));
        }
        ForwardedFuture::new(Ok::<_, Refusal>(
            self.inner.call(Request::from_parts(parts, body)),
        ))
    }
}

impl<S: fmt::Debug> fmt::Debug for CheckHost<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckHost")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
