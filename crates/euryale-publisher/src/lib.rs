//! Publishes requests with synchronous application code, one transaction each, in a worker.
//!
//! Innermost of the onion: [`Publish`] is the service inside `ConnectionLimit`, and the only one
//! that runs while a worker and a connection are held. [`ConflictPolicy`] is for tower's own
//! `RetryLayer` just outside the limit, and [`RespondLayer`] stands above them all and turns errors
//! into responses.
//!
//! ```
//! use euryale_connection::{ConnectionLimitLayer, Pool};
//! use euryale_core::{Abort, Body, Request, Response, Transaction};
//! use euryale_publisher::{ConflictPolicy, Publish, RespondLayer};
//! use euryale_test::CountingDatabase; // stands for your database
//! use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer};
//!
//! fn page(
//!     _: &Request,
//!     transaction: &mut Transaction<'_, CountingDatabase>,
//! ) -> Result<Response, Abort> {
//!     let connection = transaction.connection()?; // connects and begins
//!     Ok(Response::new(Body::from(format!("connection {}", connection.id()))))
//! } // returning `Ok` commits
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = ServiceBuilder::new()
//!     .layer(RespondLayer::new()) // infallible from here on outwards
//!     .layer(RetryLayer::new(ConflictPolicy::new()))
//!     .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 2)))
//!     .service(Publish::new(page));
//! let response = stack.oneshot(Request::default()).await.unwrap();
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! # What happens, in this order
//!
//! `connect · begin` (both at the first use of the connection)
//! `· publish · gates · before-commit hooks · votes · commit or abort · finish · after hooks`, and
//! then the lease goes back, before the response is seen by any layer outside. Nothing after a
//! commit can cause a retry.
//!
//! `HEAD` is published as `GET`; the response keeps the size of its body and loses the rest.
//! Headers that describe the framing of a message, and those that steer a proxy (`X-Accel-*`,
//! `X-Sendfile`), are dropped from a publisher's response: the stack owns framing.
//!
//! It replaces, from Zope: `ZPublisher.WSGIPublisher`, its conflict retry (which sleeps in the
//! worker), and the standard error page.
//!
//! # Cost
//!
//! [`RespondLayer`], where nothing failed: 0.1 µs and no allocation. `Retry` with
//! [`ConflictPolicy`], where nothing conflicts: 0.2 µs and 2 allocations, for a copy of the
//! request's headers; one of its extensions takes 2 and one for each
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, with nothing else on two
//! cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! A request whose client goes away while it waits is never published. While it is being published,
//! one that only reads is stopped ([`Publish::access`]). Any other is finished and committed, or,
//! on routes that ask for it, aborted before the votes ([`Publish::abort_if_gone`]).
//!
//! A publication that takes longer than its [`deadline`](Publish::deadline) is stopped and answered
//! 504, which always means that nothing was committed.
//!
//! # Backpressure
//!
//! None; the queue stands in the pool.
//!
//! # Errors
//!
//! [`Publish`] and what stands between it and [`RespondLayer`] return
//! [`Error`](euryale_core::Error); [`RespondLayer`] never fails.
//!
//! # Panics
//!
//! A panic in application code is answered 500; its transaction is aborted and its connection
//! dropped.

#![forbid(unsafe_code)]

mod framing;
mod policy;
mod publish;
mod respond;
#[cfg(test)]
mod tests;

pub use self::policy::{Backoff, ConflictPolicy};
pub use self::publish::{Publish, PublishFuture, UnsendableStatus};
pub use self::respond::{Problem, Respond, RespondFuture, RespondLayer, accepts_html};
