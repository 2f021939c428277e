//! Settings.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::{AllowedHosts, CheckHost};

/// Answers requests to other hosts 421 (RFC 9110 §15.5.20), without a call. Stands inside
/// [`Forwarded`](crate::Forwarded) and [`VirtualHost`](crate::VirtualHost), because the host that
/// counts is the one that the client sees: that of [`PublicUrl`](crate::PublicUrl).
///
/// `Host` is the client's choice. An application that builds links, redirects or mails with it must
/// not take any, and what a shared cache keeps under one name must not be made under another one. A
/// proxy in front that knows its hosts does the same; this is for those that pass on whatever
/// comes. As `ALLOWED_HOSTS` of Django.
///
/// A balancer's own checks come to the host of its configuration, mostly an address: name it, too,
/// if they come this way. A request that names no host is answered 421, and an empty list answers
/// nothing else.
///
/// A program that serves its own machine takes [`AllowedHosts::local`] against DNS rebinding.
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
    /// Lets requests pass that come to these hosts.
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
