//! Synchronous, transactional application code behind an asynchronous front.
//!
//! An asynchronous front does all the waiting: for request bodies, for a free connection, for the pause after
//! a conflict, for slow readers. Application code, the *publisher*, is a plain function that gets a worker
//! thread and a database connection only while it really works: one request, one connection, one transaction,
//! one thread. The number of connections is a hard cap, whatever clients do.
//!
//! ```text
//!  socket
//!  └ server edge                        framing, time-outs, drain           async
//!    (Forwarded, VirtualHost)           what trusted proxies say            async
//!    └ Respond                          errors become responses             async
//!      └ ServeBlob                      validators and ranges of files      async
//!        └ AwaitDeferred                a response that is still computed   async
//!          └ Spool                      the whole request body              async
//!            └ Republish                promises: publish again             async
//!              └ Retry(ConflictPolicy)  pauses that hold no worker          async
//!                └ ConnectionLimit      a bounded queue, lanes              async
//!                  └ Publish            in the pool's worker                a thread, a connection, a transaction
//! ```
//!
//! [`Stack`] is this onion, prebuilt:
//!
//! ```
//! use euryale::{Body, Pool, Response, Stack};
//! use euryale_test::CountingDatabase; // in a program: `euryale_sqlite::Sqlite`, or your own `Database`
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let site = Stack::new(Pool::new(CountingDatabase::new(), 2)).publish_fn(|_request, transaction| {
//!     let connection = transaction.connection()?; // connects and begins; returning `Ok` commits
//!     Ok(Response::new(Body::from(format!("connection {}", connection.id()))))
//! });
//! let response = site.oneshot(http::Request::new(String::new())).await.unwrap();
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! It is a tower service with the error `Infallible`: `axum::Router::fallback_service` takes it, and so does
//! `euryale_server::Server`. [`runtime()`] makes a runtime that has a thread for whatever blocks in it.
//!
//! # Layers
//!
//! Each works alone in any tower stack.
//!
//! | layer | crate | holds a worker? | replaces |
//! |---|---|---|---|
//! | `Forwarded`, `VirtualHost` | [`forwarded`] | no | `VirtualHostMonster`, `trusted-proxy` |
//! | `Respond` | [`publisher`] | no | `standard_error_message` |
//! | `ServeBlob` | [`blob`] | no | `filestream_iterator`, ranges of `OFS.Image` and `plone.namedfile` |
//! | `AwaitDeferred` | [`deferred`] | no | asynchronous stream iterators |
//! | `Spool` | [`spool`] | no | Medusa's collector, waitress's buffers |
//! | `Republish` | [`promise`] | no | `collective.futures` |
//! | tower's `Retry` with `ConflictPolicy` | [`publisher`] | no | ZPublisher's retry, which slept in its thread |
//! | `ConnectionLimit` | [`connection`] | no | `zserver-threads`, ZODB's pool |
//! | `Publish` | [`publisher`] | **yes** | ZPublisher |
//!
//! # Cancellation
//!
//! A client that goes away takes its waiting request out of the queue; a running publication is finished.
//!
//! # Backpressure
//!
//! A bounded queue: what does not fit is answered 503 at once.
//!
//! # Errors
//!
//! [`Error`] inside, responses outside.
//!
//! # Panics
//!
//! Answered 500. Do not build with `panic = "abort"`.

#![forbid(unsafe_code)]

mod runtime;
mod stack;

pub use euryale_blob as blob;
pub use euryale_connection as connection;
pub use euryale_connection::Pool;
pub use euryale_core::{
    Abort, Access, Admit, Attempt, Blob, Body, BodyWriter, BoxError, Claim, CommitGate, Database, Deferred,
    Error, ErrorKind, Fault, History, Internal, InternalRequest, Lease, Ledger, OrAbort, Participant, Peer,
    PeerAddr, Pending, Publication, Publisher, Request, Response, Route, SpooledBody, Transaction,
    Unavailable, ledger, publisher_fn,
};
pub use euryale_deferred as deferred;
pub use euryale_deferred::CpuPool;
pub use euryale_forwarded as forwarded;
pub use euryale_promise as promise;
pub use euryale_publisher as publisher;
pub use euryale_spool as spool;

pub use self::runtime::{BlockingThreads, runtime};
pub use self::stack::{Stack, StackService};
