//! Reads a request's whole body before a worker is used, so that the request can be published
//! again.
//!
//! It is outside everything that waits for a worker: a slow upload holds a task and its bytes, but
//! no worker and no connection. The service inside gets a [`Request`](euryale_core::Request) whose
//! body is complete, can be read synchronously, and is cheap to clone.
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
//! Around axum handlers, put `RespondLayer` outside it, because a router accepts no errors, and
//! turn the body back into axum's inside it:
//!
//! ```
//! use axum::{Router, routing::post};
//! use euryale_core::{Body, Request};
//! use euryale_respond::RespondLayer;
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
//! Bodies are kept in memory up to 512 KiB ([`SpoolLayer::memory`]), and beyond that in an unnamed
//! file. A few blocking threads write these files. A file disappears when it is closed, even after
//! a crash. [`Admit`](euryale_core::request::Admit) is asked before the first byte is read, and so
//! before `100 Continue` is sent, so that a body which would be thrown away is not read.
//!
//! All bodies together hold no more than their [`SpoolBudget`] allows until their last clones are
//! dropped, including those of queued and suspended requests. A body for which the budget has no
//! memory left goes to a file, however small it is.
//!
//! A body in a file can be kept without a copy:
//! [`persist`](euryale_core::body::SpooledBody::persist) links it into place. With the feature
//! `forms`, [`SpoolLayer::forms`] parses forms while they arrive, and each file in a form can be
//! kept in the same way. A body that has already been spooled, and is passed on as a
//! [`Body`](euryale_core::Body), is not spooled again.
//!
//! It replaces, from Zope: Medusa's `zhttp_collector`, waitress's input buffers, and `FileUpload`.
//!
//! # Cost
//!
//! A request without a body takes 0.1 µs and no allocation (`cargo bench -p euryale --bench layers`
//! and `--bench allocations`, on two otherwise idle cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! Dropping the future drops the body and everything that was spooled of it.
//!
//! # Backpressure
//!
//! The body is read no faster than the disk can write it. Slow senders are tolerated as long as
//! they make progress: a body that stalls for longer than the stall time-out, or falls below the
//! minimum rate, is refused.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by code: [`BODY_TOO_LARGE`] (413),
//! [`BODY_STALLED`](euryale_core::error::BODY_STALLED) (408), [`SPOOL_FULL`] (507: the disk is
//! full), [`SPOOL_UNAVAILABLE`] (503), [`SPOOL_BUSY`] (503: the budget is used up), [`MALFORMED`]
//! (400: the body ended in an error, or is not a form), the errors of `Admit`, and those of the
//! service inside. In a Router it needs `RespondLayer` outside it.
//!
//! # Panics
//!
//! The layer has no panics of its own. The stall time-out needs tokio's timer, and files need
//! [`SpoolLayer::writers`] of tokio's blocking threads.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod book;
mod budget;
mod codes;
mod content;
#[cfg(feature = "forms")]
mod form;
mod future;
mod keep;
mod layer;
mod pace;
mod read;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod write;

pub use self::book::SpoolBook;
pub use self::budget::SpoolBudget;
pub use self::codes::{BODY_TOO_LARGE, MALFORMED, SPOOL_BUSY, SPOOL_FULL, SPOOL_UNAVAILABLE};
#[cfg(feature = "forms")]
#[cfg_attr(docsrs, doc(cfg(feature = "forms")))]
pub use self::form::{Field, Form, FormLimits, Upload};
pub use self::future::SpoolFuture;
pub use self::layer::SpoolLayer;
pub use self::service::Spool;
