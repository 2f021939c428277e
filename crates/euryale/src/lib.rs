//! Synchronous, transactional application code behind an asynchronous front.
//!
//! An asynchronous front does all the waiting: for request bodies, for a free connection, for the pause after
//! a conflict, for slow readers. Application code, the *publisher*, is a plain function that gets a worker
//! thread and a database connection only while it really works: one request, one connection, one transaction,
//! one thread. The number of connections is a hard cap, whatever clients do.
//!
//! ```text
//!  socket
//!  └ server edge                          framing, time-outs, drain           async
//!    (Forwarded, VirtualHost)             what trusted proxies say            async
//!    └ TransformChain                     pages are transformed               async, and threads for the CPU
//!      └ Respond                          errors become responses             async
//!        └ ServeBlob                      validators and ranges of files      async
//!          └ AwaitDeferred                a response that is still computed   async
//!            └ Spool                      the whole request body              async
//!              └ Republish                promises: publish again             async
//!                └ Retry(ConflictPolicy)  pauses that hold no worker          async
//!                  └ ConnectionLimit      a bounded queue, lanes              async
//!                    └ Publish            in the pool's worker                a thread, a connection, a transaction
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
//! | `TransformChain` | [`transform`] | no | `plone.transformchain` |
//! | `Respond` | [`publisher`] | no | `standard_error_message` |
//! | `ServeBlob` | [`blob`] | no | `filestream_iterator`, ranges of `OFS.Image` and `plone.namedfile` |
//! | `AwaitDeferred` | [`deferred`] | no | asynchronous stream iterators |
//! | `Spool` | [`spool`] | no | Medusa's collector, waitress's buffers |
//! | `Republish` | [`promise`] | no | `collective.futures` |
//! | tower's `Retry` with `ConflictPolicy` | [`publisher`] | no | ZPublisher's retry, which slept in its thread |
//! | `ConnectionLimit` | [`connection`] | no | `zserver-threads`, ZODB's pool |
//! | `Publish` | [`publisher`] | **yes** | ZPublisher |
//!
//! [`tiles`] is a transform: pages that are made of others.
//!
//! # With tower-http's layers
//!
//! They stand around the stack, in the order of this example, from the inside out. Refusing what other sites make a
//! browser send (`Sec-Fetch-Site`, `Origin`) costs no worker there; an origin that CORS lets read answers is
//! trusted to send requests only if it is named twice. Compression is outermost, and **never for files**: they
//! would be read instead of sent by `sendfile(2)`, and `multipart/byteranges`, which tower-http does not know for
//! parts, would be compressed with the ranges in it.
//!
//! ```
//! use euryale::{BlobHandle, Body, Pool, Response, Stack};
//! use euryale_test::CountingDatabase;
//! use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version};
//! use tower_http::compression::CompressionLayer;
//! use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
//! use tower_http::cors::CorsLayer;
//! use tower_http::csrf::CsrfLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::new(CountingDatabase::new(), 2);
//! let site = Stack::new(pool).publish_fn(|_, _| Ok(Response::new(Body::from("hello"))));
//!
//! let no_file = |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| {
//!     extensions.get::<BlobHandle>().is_none()
//! };
//! let no_parts = NotForContentType::const_new("multipart/byteranges");
//! let friend = "https://friend.example";
//! let app: axum::Router = axum::Router::new()
//!     .fallback_service(site)
//!     .layer(CsrfLayer::new().add_trusted_origin(friend)?)
//!     .layer(
//!         CorsLayer::new()
//!             .allow_origin(HeaderValue::from_static(friend))
//!             .allow_methods([Method::GET, Method::POST]),
//!     )
//!     .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(no_parts).and(no_file)));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `forms`: forms are read while they come.
//! * `axum`: axum's handlers return `Result<_, Abort>`, in which `?` takes every error; they answer with [`Blob`],
//!   [`Body`] and [`Deferred`], and ask for promises by `promise::HandlerPromises`.
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
#![cfg_attr(docsrs, feature(doc_cfg))]

mod runtime;
mod stack;

pub use euryale_blob as blob;
pub use euryale_connection as connection;
pub use euryale_connection::Pool;
pub use euryale_core::{
    Abort, Access, Admit, Attempt, Blob, BlobHandle, Body, BodyWriter, BoxError, Claim, CommitGate, Database,
    Deferred, Error, ErrorKind, Fault, History, Internal, InternalRequest, Lease, Ledger, OrAbort,
    Participant, Peer, PeerAddr, Pending, Publication, Publisher, Request, Response, Route, SpooledBody,
    Transaction, Unavailable, ledger, publisher_fn,
};
pub use euryale_deferred as deferred;
pub use euryale_deferred::CpuPool;
pub use euryale_forwarded as forwarded;
pub use euryale_promise as promise;
pub use euryale_publisher as publisher;
pub use euryale_spool as spool;
pub use euryale_tiles as tiles;
pub use euryale_transform as transform;

pub use self::runtime::{BlockingThreads, runtime};
pub use self::stack::{Stack, StackInner, StackService};
