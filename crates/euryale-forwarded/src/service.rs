//! The service.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use http::Request;
use tower_service::Service;

use crate::future::ForwardedFuture;
use crate::layer::Settings;

/// Accepts forwarded fields from trusted proxies; made by
/// [`ForwardedLayer`](crate::ForwardedLayer).
#[derive(Clone)]
pub struct Forwarded<S> {
    pub(crate) inner: S,
    pub(crate) settings: Settings,
}

euryale_core::inner_service!(Forwarded<S>);

impl<S, Q, B> Service<Request<Q>> for Forwarded<S>
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
        let (mut parts, body) = request.into_parts();
        let applied = self.settings.apply(&mut parts).inspect_err(|malformed| {
            tracing::debug!(
                field = malformed.0,
                "a trusted proxy sent a malformed report"
            );
        });
        ForwardedFuture::new(applied.map(|()| self.inner.call(Request::from_parts(parts, body))))
    }
}

impl<S: fmt::Debug> fmt::Debug for Forwarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
