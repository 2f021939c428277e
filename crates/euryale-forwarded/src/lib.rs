//! Who the client is, and at which address it sees the application: behind reverse proxies that are
//! trusted.
//!
//! [`ForwardedLayer`] and, inside it, [`VirtualHostLayer`] stand outside everything else, right
//! below the server, and hold neither a worker nor a connection. They turn what proxies say, in
//! headers or in paths, into two typed values, [`Client`] and [`PublicUrl`], and let none of it
//! pass in any other form: no header that reaches the application says who a client is.
//!
//! ```
//! use euryale_core::{Body, Peer, PeerAddr, Response};
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
//!     .header("x-forwarded-for", "203.0.113.9, 192.0.2.7") // the first is what the client made up
//!     .header("x-forwarded-proto", "https")
//!     .header("x-forwarded-host", "example.org")
//!     .header("x-forwarded-prefix", "/app");
//! assert_eq!(service.oneshot(request.body(()).unwrap()).await.unwrap().status(), 200);
//! # }
//! ```
//!
//! Where proxies stand, and what they have to be told, is in
//! [the guide](https://docs.rs/euryale/latest/euryale/guide/deploying/).
//!
//! # Behind a proxy
//!
//! * **Whom to trust** is a list of networks, and `unix` for whoever may connect to a Unix socket
//!   ([`TrustedProxies`]). By default nobody is.
//! * **Who the peer is** says the server. `euryale-server`, and `SendfileListener` for
//!   `axum::serve`, put a [`Peer`](euryale_core::Peer) into each request. Under plain `axum::serve`
//!   the layers are told where to look, by [`ForwardedLayer::peer`]; without it nobody is trusted,
//!   which the log says once.
//! * **Which fields count** is a list, too ([`ForwardedLayer::fields`]): a trusted proxy has to
//!   set, or take away, each that is listed. One that it passes on as it came is the client's word.
//! * **The client** is the last address on the way that is no trusted proxy. What stands before it
//!   in a list is its own invention, and is never looked at. A hop that gives no address ends the
//!   way, and the client is unknown.
//! * **Scheme, host and prefix** are what that proxy said which the client talked to. `Host` and,
//!   over HTTP/2, the target are made to agree with it, so that middleware which compares them with
//!   `Origin` compares the right one.
//! * **What cannot be read** is answered 400 when a trusted proxy sends it.
//! * **From anybody else** nothing of it counts, and all of it is taken away: `Forwarded`,
//!   `X-Forwarded*`, `X-Real-IP`, `X-Original-URL`, `X-Rewrite-URL`, `X-Euryale-*`.
//! * **Paths with `VirtualHostBase`** count from the proxies of [`VirtualHostLayer`], a list of its
//!   own: a proxy that speaks by headers passes paths on as clients write them. With `axum::Router`
//!   put that layer around the router, not into its `layer`, which stands behind the routes.
//!
//! * **Which hosts are the application's** is for [`CheckHostLayer`], inside of these two: requests
//!   to others are answered 421. [`AllowedHosts::local`] is for a program that serves its own
//!   machine.
//!
//! With the PROXY protocol a request has the address that the balancer names. Headers come from
//! there, too, so that address has to be trusted for them to count.
//!
//! # Features
//!
//! `axum`, off by default: [`Client`] and [`PublicUrl`] are arguments that handlers of axum may
//! have.
//!
//! It replaces, from Zope: `SiteAccess.VirtualHostMonster`, `trusted-proxy`, and `absolute_url`;
//! waitress's `trusted_proxy` with its headers; and Django's `ALLOWED_HOSTS`.
//!
//! # Cost
//!
//! A request of somebody who is not trusted: [`ForwardedLayer`] 0.1 µs and 3 allocations,
//! [`VirtualHostLayer`] alone 0.2 µs and 3, for the address that the client sees and the extensions
//! in which it stands; inside the other it allocates nothing
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, with nothing else on two
//! cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! Nothing is begun that would have to be given up.
//!
//! # Backpressure
//!
//! That of the service inside.
//!
//! # Errors
//!
//! Those of the service inside. A 400 or a 421 is a response, and the service is not called.
//!
//! # Panics
//!
//! None.

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
