//! Turns errors into responses.
//!
//! [`RespondLayer`] is the outermost of the layers that can fail: transforms and the server are
//! outside, everything that returns an [`Error`](euryale_core::Error) is inside. It holds neither a
//! worker nor a connection. Its service is infallible, so it also fits around the layers of an axum
//! router.
//!
//! ```
//! use euryale_core::error::LANE_FULL;
//! use euryale_core::{Error, Response};
//! use euryale_respond::RespondLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new().layer(RespondLayer::new()).service(service_fn(
//!     async |_: http::Request<()>| Err::<Response, _>(Error::new(LANE_FULL)),
//! ));
//! let response = service.oneshot(http::Request::new(())).await.unwrap(); // `Infallible`
//! assert_eq!(response.status(), 503);
//! assert!(response.headers().contains_key("retry-after"));
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! # }
//! ```
//!
//! [`RespondLayer::page`] replaces the page for browsers. [`RespondLayer::answer`] makes the same
//! responses for errors that occur outside the layer, and [`accepts_html`] is the rule by which it
//! chooses between page and problem.
//!
//! It replaces, from Zope: the standard error page.
//!
//! # Cost
//!
//! A response without an error takes 0.1 µs and no allocation (`cargo bench -p euryale --bench
//! layers` and `--bench allocations`, on two otherwise idle cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! Dropping its future only drops the future of the inner service.
//!
//! # Backpressure
//!
//! None of its own. If the service inside fails in `poll_ready`, the next call returns the response
//! to that error.
//!
//! # Errors
//!
//! The layer has no errors of its own: each error of the inner service becomes a response and at
//! most one line in the log. Overload is logged at most once a second.
//!
//! # Panics
//!
//! The layer has no panics of its own. The pool and the promises turn panics of application code
//! into errors, which are answered 500.

#![forbid(unsafe_code)]

mod future;
mod layer;
mod log;
mod page;
mod service;
#[cfg(test)]
mod tests;

pub use self::future::RespondFuture;
pub use self::layer::RespondLayer;
pub use self::page::{Problem, accepts_html};
pub use self::service::Respond;
