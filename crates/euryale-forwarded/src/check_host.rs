//! Restricts the hosts that an application answers to.

mod allowed;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

pub use self::allowed::{AllowedHost, AllowedHosts, InvalidHost};
use crate::PublicUrl;
use crate::future::ForwardedFuture;
use crate::public_url::Facts;
use crate::refusal::Refusal;

/// Answers requests to other hosts with 421 (RFC 9110 §15.5.20), without calling the inner service.
/// Place the layer inside [`Forwarded`](crate::Forwarded) and [`VirtualHost`](crate::VirtualHost),
/// because it checks the host that the client sees, which is the host of
/// [`PublicUrl`](crate::PublicUrl).
///
/// The client chooses `Host`. An application that builds links, redirects or mails with it must not
/// accept every host, and a shared cache must not store a page under one name that was made under
/// another. Use the layer if your proxy passes on any host instead of checking it. It corresponds
/// to Django's `ALLOWED_HOSTS`.
///
/// A balancer's health checks use the host in its configuration, which is usually an address. List
/// that host as well if the checks pass through this layer. A request without a host is refused,
/// and an empty list refuses every request.
///
/// A program that serves only its own machine should use [`AllowedHosts::local`] against DNS
/// rebinding.
///
/// ```
/// use euryale_core::{Body, Response};
/// use euryale_forwarded::CheckHostLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = CheckHostLayer::new("example.org, *.example.org".parse().unwrap());
/// let hello = service_fn(async |_: http::Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
/// });
/// let service = ServiceBuilder::new().layer(layer).service(hello);
/// for (host, status) in [("www.example.org", 200), ("evil.example", 421)] {
///     let request = http::Request::get("/").header("host", host).body(()).unwrap();
///     assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status);
/// }
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct CheckHostLayer {
    hosts: Arc<AllowedHosts>,
}

impl CheckHostLayer {
    /// Accepts requests for these hosts.
    pub fn new(hosts: AllowedHosts) -> Self {
        Self {
            hosts: Arc::new(hosts),
        }
    }
}

impl<S> Layer<S> for CheckHostLayer {
    type Service = CheckHost<S>;

    fn layer(&self, inner: S) -> CheckHost<S> {
        CheckHost {
            inner,
            hosts: Arc::clone(&self.hosts),
        }
    }
}

impl fmt::Debug for CheckHostLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckHostLayer")
            .field("hosts", &self.hosts)
            .finish()
    }
}

/// Answers only requests for allowed hosts; made by [`CheckHostLayer`](crate::CheckHostLayer).
#[derive(Clone)]
pub struct CheckHost<S> {
    inner: S,
    hosts: Arc<AllowedHosts>,
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
