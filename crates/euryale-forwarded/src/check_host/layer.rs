//! Settings.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::{AllowedHosts, CheckHost};

/// Answers requests to other hosts with 421 (RFC 9110 §15.5.20), without calling the inner service.
/// Place it inside [`Forwarded`](crate::Forwarded) and [`VirtualHost`](crate::VirtualHost), because
/// the host that counts is the one that the client sees: that of [`PublicUrl`](crate::PublicUrl).
///
/// `Host` is the client's choice. An application that builds links, redirects or mails with it must
/// not accept every host, and a shared cache must not keep a page under one name that was made
/// under another. A proxy that knows its hosts checks this itself; the layer is for proxies that
/// pass on any host. It corresponds to Django's `ALLOWED_HOSTS`.
///
/// A balancer's own checks use the host in its configuration, mostly an address: list it, too, if
/// they pass through here. A request that names no host is answered 421, and an empty list answers
/// nothing else.
///
/// A program that serves its own machine uses [`AllowedHosts::local`] against DNS rebinding.
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
