//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use http::request::Parts;
use http::{Method, Request};
use tower_service::Service;

use super::OffloadTo;
use super::fields::{Order, remove_orders};
use super::future::OffloadFuture;
use super::layer::OffloadSettings;

/// Lets a proxy send blobs; made by [`OffloadLayer`](super::OffloadLayer).
#[derive(Clone)]
pub struct Offload<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<OffloadSettings>,
}

euryale_core::inner_service!(Offload<S>);

impl<S, Q, B> Service<Request<Q>> for Offload<S>
where
    S: Service<Request<Q>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = OffloadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> OffloadFuture<S::Future> {
        let (mut parts, body) = request.into_parts();
        let order = self.settings.order(&parts);
        let method = parts.method.clone();
        remove_orders(&mut parts.headers);
        let inner = self.inner.call(Request::from_parts(parts, body));
        OffloadFuture::new(inner, order, method, Arc::clone(&self.settings))
    }
}

impl OffloadSettings {
    fn order(&self, parts: &Parts) -> Option<Order> {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return None;
        }
        if let Some(to) = parts.extensions.get::<OffloadTo>() {
            return Some(Order {
                to: *to,
                maps: None,
            });
        }
        let trusted = self.trusted.as_ref()?;
        if trusted(parts) {
            Order::read(parts, self.mapping_from_proxy)
        } else {
            None
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Offload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
