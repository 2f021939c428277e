//! Takes in a request's whole body before anything else is held, so that it can be published again.
//!
//! Outside everything that waits for a worker: a slow upload holds a task and its bytes, no worker
//! and no connection. What stands inside sees a [`Request`](euryale_core::Request), whose body is
//! complete, synchronous to read and cheap to clone.
//!
//! ```
//! use euryale_core::{Error, Request};
//! use euryale_spool::SpoolLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new().layer(SpoolLayer::new().limit(1 << 20)).service(service_fn(
//!     async |request: Request| Ok::<_, Error>(request.body().len()),
//! ));
//! let body = http_body_util::Full::new(bytes::Bytes::from("twelve bytes"));
//! assert_eq!(service.oneshot(http::Request::new(body)).await.unwrap(), 12);
//! # }
//! ```
//!
//! Around handlers of axum's it has `RespondLayer` outside, since a router takes no errors; inside
//! of it the body is turned back into one that they know:
//!
//! ```
//! use axum::{Router, routing::post};
//! use euryale_core::{Body, Request};
//! use euryale_publisher::RespondLayer;
//! use euryale_spool::SpoolLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let layers = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .layer(SpoolLayer::new().limit(12))
//!     .map_request(|spooled: Request| {
//!         spooled.map(|body| axum::body::Body::new(Body::from(body)))
//!     });
//! let app: Router = Router::new().route("/", post(async |body: String| body)).layer(layers);
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let send = async |body: &'static str| {
//!     let request = http::Request::post("/").body(axum::body::Body::from(body)).unwrap();
//!     app.clone().oneshot(request).await.unwrap().status()
//! };
//! assert_eq!(send("twelve bytes").await, 200);
//! assert_eq!(send("thirteen more").await, 413);
//! # });
//! ```
//!
//! Bodies are kept in memory up to 512 KiB ([`SpoolLayer::memory`]), and beyond that in a file
//! without a name, which is written by a few blocking threads and is gone when it is closed, also
//! after a crash. Before the first byte is read, and so before `100 Continue` is sent,
//! [`Admit`](euryale_core::Admit) is asked: a body that would be thrown away is not taken in.
//!
//! All bodies together hold no more than their [`SpoolBudget`] allows, until their last clones are
//! dropped: those of queued and suspended requests included. A body that finds no memory in it goes
//! to a file, however small it is.
//!
//! A body in a file can be kept without a copy: [`persist`](euryale_core::SpooledBody::persist)
//! links it into place. With the feature `forms`, [`SpoolLayer::forms`] reads forms while they
//! come, and each file of one can be kept like that. A body that was spooled before, and is passed
//! on as a [`Body`](euryale_core::Body), passes.
//!
//! It replaces, from Zope: Medusa's `zhttp_collector`, waitress's input buffers, and `FileUpload`.
//!
//! # Cost
//!
//! A request without a body: 0.1 µs and no allocation (`cargo bench -p euryale --bench layers` and
//! `--bench allocations`, with nothing else on two cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! A dropped future drops the body, and what was kept of it.
//!
//! # Backpressure
//!
//! The body is read as it comes, and no faster than the disk takes it. Who sends slowly is waited
//! for, but not without progress for longer than the stall time-out, and not below the least rate.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by kind: `BodyTooLarge` (413), `BodyStalled` (408), `SpoolFull`
//! (the disk is; 507), `SpoolUnavailable` (503), `SpoolBusy` (503: the budget is), `Malformed`
//! (400: the body ended in an error, or is no form), what `Admit` says, and those of the service
//! inside. In a Router it needs `RespondLayer` above it.
//!
//! # Panics
//!
//! None of its own. The stall time-out needs tokio's timer, files its blocking threads: so many as
//! [`SpoolLayer::writers`] says.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
mod content;
#[cfg(feature = "forms")]
mod form;
mod future;
mod keep;
mod layer;
mod pace;
mod read;
mod service;
#[cfg(test)]
mod tests;
mod write;

pub use self::budget::SpoolBudget;
#[cfg(feature = "forms")]
#[cfg_attr(docsrs, doc(cfg(feature = "forms")))]
pub use self::form::{Field, Form, FormLimits, Upload};
pub use self::future::SpoolFuture;
pub use self::layer::SpoolLayer;
pub use self::service::Spool;
