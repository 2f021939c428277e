//! Publishes requests with synchronous application code, in a worker, with one transaction each.
//!
//! [`Publish`] is the innermost service of the onion, inside `ConnectionLimit`, and the only one
//! that runs while a worker and a connection are held. [`ConflictPolicy`] is for tower's own
//! `RetryLayer` just outside the limit.
//!
//! ```
//! use euryale_connection::{ConnectionLimitLayer, Pool};
//! use euryale_core::{Abort, Body, Request, Response, Transaction};
//! use euryale_publisher::{ConflictPolicy, Publish};
//! use euryale_respond::RespondLayer;
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
//! # In which order do things happen?
//!
//! `connect · begin` (both at the first use of the connection)
//! `· publish · gates · before-commit hooks · votes · commit or abort · finish · after hooks`, and
//! then the lease is returned, before any outer layer sees the response. Nothing after a commit can
//! cause a retry.
//!
//! On a route whose [release point](Publish::release_point) is the end of the body, a publisher may
//! [answer early](euryale_core::Transaction::answer_early): outer layers see the response at its
//! first byte, and the steps above follow while its body is sent. A failure after that byte breaks
//! the body off, and causes neither an error page nor a retry.
//!
//! `HEAD` is published as `GET`, unless the publisher [answers it
//! itself](euryale_core::Publisher::answers_head); only the size of the body is kept. Headers that
//! describe the framing of a message, and those that control a proxy (`X-Accel-*`, `X-Sendfile`),
//! are dropped from a publisher's response, because the stack owns framing.
//!
//! It replaces, from Zope: `ZPublisher.WSGIPublisher` and its conflict retry, which sleeps in the
//! worker.
//!
//! # Cost
//!
//! `Retry` with [`ConflictPolicy`] takes 0.2 µs and 2 allocations without a conflict, for a copy
//! of the request's headers; a copy of the extensions takes 2 allocations and one for each
//! extension (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise
//! idle cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! A request whose client disconnects while it waits is never published. If the client disconnects
//! during the publication, a request that only reads is stopped ([`Publish::access`]). Any other
//! request is finished and committed, or aborted before the votes on routes for which
//! [`Publish::abort_if_gone`] says so.
//!
//! A publication that takes longer than its [`deadline`](Publish::deadline) is stopped and answered
//! 504, which always means that nothing was committed.
//!
//! # Backpressure
//!
//! This crate has none. The queue is in the pool.
//!
//! # Errors
//!
//! [`Publish`] returns [`Error`](euryale_core::Error). `RespondLayer` of `euryale-respond`, outside
//! it, turns errors into responses.
//!
//! # Panics
//!
//! A panic in application code is answered 500; the transaction is aborted and the connection is
//! dropped.

#![forbid(unsafe_code)]

mod framing;
mod policy;
mod publish;
#[cfg(test)]
mod tests;

pub use euryale_core::error::CONFLICTS_EXHAUSTED;
pub use euryale_core::ledger::{ConflictBook, PerRoute};

pub use self::policy::{Backoff, ConflictPolicy};
pub use self::publish::{Publish, PublishFuture, UnsendableStatus};
