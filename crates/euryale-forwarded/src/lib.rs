//! The client's address and the application's public URL, as reported by trusted proxies.
//!
//! [`ForwardedLayer`] and, inside it, [`VirtualHostLayer`] are the outermost layers, just inside
//! the server, and hold neither a worker nor a connection. They turn the reports of proxies in
//! headers or paths into two typed values, [`Client`] and [`PublicUrl`], and remove the headers
//! themselves, so that the application cannot trust a forged one.
//!
//! ```
//! use euryale_core::request::{Peer, PeerAddr};
//! use euryale_core::{Body, Response};
//! use euryale_forwarded::{Client, ForwardedLayer, PublicUrl};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let layer = ForwardedLayer::new("10.0.0.0/8".parse().unwrap());
//! let show = service_fn(async |request: http::Request<()>| {
//!     let client = Client::of(request.extensions());
//!     let url = PublicUrl::of(request.extensions());
//!     assert_eq!(client.unwrap().to_string(), "192.0.2.7");
//!     assert_eq!(url.unwrap().url("/news").unwrap(), "https://example.org/app/news");
//!     assert_eq!(url.unwrap().cookie_attributes(), "Path=/app; Secure");
//!     assert!(request.headers().get("x-forwarded-for").is_none());
//!     Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
//! });
//! let service = ServiceBuilder::new().layer(layer).service(show);
//! let peer = PeerAddr::Tcp(([10, 0, 0, 1], 4711).into());
//! let request = http::Request::get("/news")
//!     .extension(Peer::new(peer)) // euryale-server does this
//!     .header("x-forwarded-for", "203.0.113.9, 192.0.2.7") // the client made up the first one
//!     .header("x-forwarded-proto", "https")
//!     .header("x-forwarded-host", "example.org")
//!     .header("x-forwarded-prefix", "/app");
//! assert_eq!(service.oneshot(request.body(()).unwrap()).await.unwrap().status(), 200);
//! # }
//! ```
//!
//! For the configuration of proxies, see [the
//! guide](https://docs.rs/euryale/latest/euryale/guide/deploying/).
//!
//! # Behind a proxy
//!
//! * **Trusted proxies** are a list of networks, and `unix` for every process that may connect to a
//!   Unix socket ([`TrustedProxies`]). The list is empty by default.
//! * **The peer's address** is set by the server. `euryale-server`, and `SendfileListener` for
//!   `axum::serve`, put a [`Peer`](euryale_core::request::Peer) into each request. Under plain
//!   `axum::serve`, configure with [`ForwardedLayer::peer`] how to find it; otherwise no peer is
//!   trusted, and a warning is logged once.
//! * **The accepted fields** are a list ([`ForwardedLayer::fields`]). A trusted proxy must set or
//!   remove each field in it, because a field that it passes on unchanged was written by the
//!   client.
//! * **The client** is the last address in the chain that does not belong to a trusted proxy.
//!   Entries before it may be forged by that client and are never looked at. The chain ends at a
//!   hop without an address, and the client is then unknown.
//! * **Scheme, host and prefix** are those reported by the proxy that the client talked to. `Host`
//!   and, over HTTP/2, the target are changed to match, so that middleware which compares them with
//!   `Origin` compares the right one.
//! * **Malformed fields** from a trusted proxy are answered 400.
//! * **From any other peer** these fields are ignored and removed: `Forwarded`, `X-Forwarded*`,
//!   `X-Real-IP`, `X-Original-URL`, `X-Rewrite-URL`, `X-Euryale-*`.
//! * **Paths with `VirtualHostBase`** are accepted only from the proxies of [`VirtualHostLayer`].
//!   That list is separate, because a proxy that reports in headers passes on whatever paths its
//!   clients send. Put that layer around an `axum::Router`, not into `Router::layer`, which applies
//!   only after routing.
//!
//! * **The application's hosts** are checked by [`CheckHostLayer`], inside these two: requests for
//!   other hosts are answered 421. Use [`AllowedHosts::local`] for a program that serves only its
//!   own machine.
//!
//! With the PROXY protocol, a request's peer is the address that the balancer reports. Headers are
//! accepted only if that address is trusted.
//!
//! # Features
//!
//! `axum`, off by default: axum handlers can take [`Client`] and [`PublicUrl`] as arguments.
//!
//! It replaces, from Zope: `SiteAccess.VirtualHostMonster`, `trusted-proxy`, and `absolute_url`;
//! waitress's `trusted_proxy` with its headers; and Django's `ALLOWED_HOSTS`.
//!
//! # Cost
//!
//! For a request from an untrusted peer, [`ForwardedLayer`] takes 0.1 µs and 3 allocations.
//! [`VirtualHostLayer`] alone takes 0.2 µs and 3 allocations, for the public URL and the extensions
//! that hold it; inside the other layer it allocates nothing
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise idle cores
//! of an AMD EPYC).
//!
//! # Cancellation
//!
//! The layers do not wait, so there is nothing to cancel.
//!
//! # Backpressure
//!
//! The layers pass on the readiness of the inner service.
//!
//! # Errors
//!
//! The errors are those of the inner service. A 400 or a 421 is a response and not an error; the
//! inner service is then not called.
//!
//! # Panics
//!
//! The layers have no panics of their own.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod check_host;
mod client;
mod fields;
mod forward;
mod future;
mod host;
mod layer;
mod node;
mod peer;
mod public_url;
mod refusal;
mod rfc7239;
mod service;
#[cfg(test)]
mod tests;
mod trusted;
mod virtual_host;
mod visit;

pub use self::check_host::{AllowedHost, AllowedHosts, CheckHost, CheckHostLayer, InvalidHost};
pub use self::client::Client;
pub use self::fields::{Field, UnknownField};
pub use self::future::ForwardedFuture;
pub use self::layer::ForwardedLayer;
pub use self::public_url::PublicUrl;
pub use self::service::Forwarded;
pub use self::trusted::{InvalidProxy, TrustedProxies, TrustedProxy};
pub use self::virtual_host::{HostTable, InvalidLine, VirtualHost, VirtualHostLayer};
