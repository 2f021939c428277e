//! Synchronous, transactional application code behind an asynchronous front.
//!
//! An asynchronous front does all the waiting: for request bodies, for a free connection, for the
//! pause after a conflict, for slow readers. Application code, the *publisher*, is a plain function
//! that gets a worker thread and a database connection only while it really works: one request, one
//! connection, one transaction, one thread. The number of connections is a hard cap, whatever
//! clients do.
//!
//! ```text
//!  socket
//!  └ server edge                            framing, time-outs, drain           async
//!    └ (Forwarded, VirtualHost)             what trusted proxies say            async
//!      └ (TransformChain)                   pages are transformed               async, CPU threads
//!        └ Respond                          errors become responses             async
//!          └ ServeBlob                      validators and ranges of files      async
//!            └ AwaitDeferred                a response that is still computed   async
//!              └ Spool                      the whole request body              async
//!                └ Republish                promises: publish again             async
//!                  └ Retry(ConflictPolicy)  pauses that hold no worker          async
//!                    └ ConnectionLimit      a bounded queue, lanes              async
//!                      └ Publish            in the pool's worker                a worker thread
//! ```
//!
//! The [guide] tells how to come here from Zope or from `spawn_blocking`, how many connections to
//! have, what happens when clients leave and servers end, and how to deploy.
//!
//! # The smallest server
//!
//! [`Stack`] is this onion, prebuilt, from `Respond` inwards, and with [`Stack::transforms`] from
//! `TransformChain`:
//!
//! ```no_run
//! use euryale::{Body, Pool, Response, Stack};
//! use euryale_sqlite::Sqlite; // or a `Database` of your own
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Two connections, two publications at a time.
//!     let pool = Pool::new(Sqlite::open("site.db")?, 2);
//!     let site = Stack::new(pool).publish_fn(|_request, transaction| {
//!         // Connects and begins; returning `Ok` commits.
//!         let connection = transaction.connection()?;
//!         let now: String = connection.query_row("SELECT datetime('now')", [], |row| row.get(0))?;
//!         Ok(Response::new(Body::from(now)))
//!     });
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     Ok(axum::serve(listener, axum::Router::new().fallback_service(site)).await?)
//! }
//! ```
//!
//! A stack is a tower service with the error `Infallible`, for any body:
//! `axum::Router::fallback_service` takes it, and so does `euryale_server::Server`, which has the
//! limits and the drain that production needs ([`guide::deploying`]). [`runtime()`] makes a runtime
//! that has a thread for whatever blocks in it.
//!
//! # Two layers in an application of axum's
//!
//! Each layer works alone. Here asynchronous handlers know their visitor's address behind a proxy,
//! and answer with an open file; the layers add what handlers need not do, ranges and conditional
//! requests for one. (Feature `axum`.)
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::{Router, extract::ConnectInfo, routing::get};
//! use euryale::blob::ServeBlobLayer;
//! use euryale::forwarded::{Client, ForwardedLayer, PublicUrl};
//! use euryale::{Abort, Blob};
//!
//! async fn visitor(client: Client, url: PublicUrl) -> String {
//!     format!("{client} at {url}")
//! }
//!
//! # async fn open() -> std::io::Result<std::fs::File> { tempfile::tempfile() }
//! async fn download() -> Result<Blob, Abort> {
//!     Ok(Blob::new(open().await?)?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `axum::serve` tells who the peer is as `ConnectInfo`. With `euryale_server` it takes no
//! // `peer`.
//! let proxies = ForwardedLayer::new("127.0.0.1, 10.0.0.0/8".parse()?)
//!     .peer(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.into()));
//! let app: Router = Router::new()
//!     .route("/", get(visitor))
//!     .route("/download", get(download))
//!     .layer(ServeBlobLayer::new())
//!     .layer(proxies);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?; // your port
//! # let address = listener.local_addr()?;
//! let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
//! # tokio::spawn(serving.into_future());
//! # let mut client = euryale_test::RawClient::connect(address).await?;
//! # let head = "GET / HTTP/1.1\r\nhost: example.org\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";
//! # client.send(head).await?;
//! # assert_eq!(client.read_answer(false).await?.text(), "192.0.2.7 at http://example.org/");
//! # assert!(client.get("/download").await?.headers.contains_key("etag"));
//! # Ok(())
//! # }
//! ```
//!
//! A layer that can fail (Spool, AwaitDeferred, Republish, Retry, ConnectionLimit) has
//! [`RespondLayer`] above it in a router: [`spool`] shows the pair. `ConnectionLimit` goes around
//! [`Publish`] and not around handlers, which would not run in its workers: [`publisher`] shows
//! that one. Layers of your own stand between ours by [`Stack::layer`], or wherever you like when
//! you compose them by hand.
//!
//! [`Publish`]: publisher::Publish
//! [`RespondLayer`]: publisher::RespondLayer
//!
//! # Layers
//!
//! | layer | crate | holds a worker? | replaces |
//! |---|---|---|---|
//! | [Forwarded], [VirtualHost], [CheckHost] | [`forwarded`] | no | `VirtualHostMonster`, `trusted-proxy` |
//! | [TransformChain] | [`transform`] | no | `plone.transformchain` |
//! | its [Tiles] and [themes] | [`tiles`], `euryale-theme` | no | `plone.app.blocks`, Diazo |
//! | [Respond] | [`publisher`] | no | `standard_error_message` |
//! | [ServeBlob], [Offload] | [`blob`] | no | `filestream_iterator`, ranges in Python, `collective.xsendfile` |
//! | [AwaitDeferred] | [`deferred`] | no | asynchronous stream iterators |
//! | [Spool] | [`spool`] | no | Medusa's collector, waitress's buffers |
//! | [Republish] | [`promise`] | no | `collective.futures` |
//! | tower's `Retry` with [ConflictPolicy] | [`publisher`] | no | ZPublisher's retry, which slept in its thread |
//! | [ConnectionLimit] | [`connection`] | no | `zserver-threads`, ZODB's pool |
//! | [Publish] | [`publisher`] | **yes** | ZPublisher |
//!
//! The crate of a module is called like it: [`spool`] is `euryale-spool`, and depends on
//! `euryale-core` and on no other layer. `euryale-theme` is no module here: it reads files while
//! the program runs and has an engine for XPath in it, which programs without a theme should not
//! have to build.
//!
//! [Forwarded]: forwarded::ForwardedLayer
//! [VirtualHost]: forwarded::VirtualHostLayer
//! [CheckHost]: forwarded::CheckHostLayer
//! [TransformChain]: transform::TransformChainLayer
//! [Tiles]: tiles::Tiles
//! [themes]: https://docs.rs/euryale-theme
//! [Respond]: publisher::RespondLayer
//! [ServeBlob]: blob::ServeBlobLayer
//! [Offload]: blob::OffloadLayer
//! [AwaitDeferred]: deferred::DeferredLayer
//! [Spool]: spool::SpoolLayer
//! [Republish]: promise::RepublishLayer
//! [ConflictPolicy]: publisher::ConflictPolicy
//! [ConnectionLimit]: connection::ConnectionLimitLayer
//! [Publish]: publisher::Publish
//!
//! Around the stack stand [`euryale-server`](https://docs.rs/euryale-server), the server, and
//! [`euryale-agent-check`](https://docs.rs/euryale-agent-check), which tells HAProxy what a node
//! can take; [`euryale-sqlite`](https://docs.rs/euryale-sqlite) is a database.
//!
//! # When it does not compile
//!
//! The invariants are types, so layers in the wrong order are a bound that is not satisfied. What
//! the compiler says, and what is meant:
//!
//! * **`Publication<…>: Clone`**, or **`ConflictPolicy: Policy<Publication<…>>`**: a retry stands
//!   inside `ConnectionLimit`, where it would wait for a second permit with one in its hands. Put
//!   it outside.
//! * **`Republish<…>: Service<Publication<…>>`**: the same, of Republish.
//! * **`Publish<…>: Service<Request<…>>`**: nothing caps it. A `ConnectionLimitLayer` is missing
//!   around it.
//! * **`Route: Service<Publication<…>>`**: `ConnectionLimit` stands around handlers, which do not
//!   run in its workers. Call [`Pool::run`] in them.
//! * **Expected `SpooledBody`, found `Body`**: a `SpoolLayer` is missing outside.
//! * **`Body: Clone`**, of axum's: a retry or a Republish stands outside of Spool. Put it inside.
//! * **`Infallible: From<Error>`**, or **expected `Infallible`, found `Error`**: a layer can fail.
//!   `RespondLayer` is missing outside.
//! * **`*mut StaysInItsWorker` cannot be sent**: what is computed later uses the transaction. Read
//!   values first, and move those.
//! * **Borrowed data escapes**, or **lifetime may not live long enough**: the same, of a connection
//!   or its rows. Collect them.
//! * **Is not a place in a pool's queue**: the claim of a `Publication` is something else than a
//!   pool's.
//! * **Does not publish from the database**: a publisher is a plain function of the shape that the
//!   message tells, of that database, and no `async fn`.
//!
//! # With tower-http's layers
//!
//! They stand around the stack, in the order of this example, from the inside out. Refusing what
//! other sites make a browser send (`Sec-Fetch-Site`, `Origin`) costs no worker there; an origin
//! that CORS lets read answers is trusted to send requests only if it is named twice. Compression
//! is outermost, and **never for files**: they would be read instead of sent by `sendfile(2)`, and
//! a download that was cut could not go on ([`may_compress`](blob::may_compress)). Without
//! [`accept_identity`](blob::accept_identity) it would answer 406 after a commit.
//!
//! ```
//! use euryale::blob::{accept_identity, may_compress, vary_by_coding};
//! use euryale::{Body, Pool, Response, Stack};
//! use euryale_test::CountingDatabase; // stands for your database
//! use http::{HeaderValue, Method};
//! use tower::ServiceBuilder;
//! use tower_http::compression::CompressionLayer;
//! use tower_http::compression::predicate::{DefaultPredicate, Predicate};
//! use tower_http::cors::CorsLayer;
//! use tower_http::csrf::CsrfLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::new(CountingDatabase::new(), 2);
//! let site = Stack::new(pool).publish_fn(|_, _| Ok(Response::new(Body::from("hello"))));
//!
//! let compression = ServiceBuilder::new()
//!     .map_request(accept_identity::<axum::body::Body>)
//!     .map_response(vary_by_coding)
//!     .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(may_compress)));
//! let friend = "https://friend.example";
//! let app: axum::Router = axum::Router::new()
//!     .fallback_service(site)
//!     .layer(CsrfLayer::new().add_trusted_origin(friend)?)
//!     .layer(
//!         CorsLayer::new()
//!             .allow_origin(HeaderValue::from_static(friend))
//!             .allow_methods([Method::GET, Method::POST]),
//!     )
//!     .layer(compression);
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Cost
//!
//! The layers of a [`Stack`] between `Respond` and `Retry`, each alone and with nothing to do, take
//! 0.7 µs and 7 allocations together, those of [`forwarded`] 0.3 µs and 6 more, and a chain of
//! [`transform`]s 0.2 µs and 2. In one stack they share extensions, of which three keep a copy
//! each: all layers together add 25 allocations to a publication. With them it takes about 20 µs
//! and 36 allocations, the request's own included, when it comes alone, nearly all of it for waking
//! two threads; under load nobody is woken (`cargo bench -p euryale --bench layers` and
//! `--bench allocations`, with nothing else on two cores of an AMD EPYC). The type of all layers
//! together has a name of 0.7 kB.
//!
//! # Features
//!
//! * `forms`: forms are read while they come.
//! * `axum`: axum's handlers return `Result<_, Abort>`, in which `?` takes every error; they answer
//!   with [`Blob`], [`Body`] and [`Deferred`], ask for promises by `promise::HandlerPromises`, and
//!   for who asks at which address by [`forwarded::Client`] and [`forwarded::PublicUrl`].
//! * `r2d2`: connections of diesel, `r2d2_postgres` or any other `r2d2::ManageConnection`, by
//!   `connection::r2d2`.
//!
//! # Cancellation
//!
//! A client that goes away takes its waiting request out of the queue; a running publication is
//! finished.
//!
//! # Backpressure
//!
//! A bounded queue: what does not fit is answered 503 at once.
//!
//! # Errors
//!
//! [`Error`] inside, responses outside. A response says nothing of the inside: what went wrong is
//! logged by `tracing`, and is seen where the program has a subscriber
//! (`tracing_subscriber::fmt::init()`, for one).
//!
//! # Panics
//!
//! Answered 500. Do not build with `panic = "abort"`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;
mod runtime;
mod stack;

pub use euryale_blob as blob;
pub use euryale_connection as connection;
pub use euryale_connection::Pool;
pub use euryale_core::{
    Abort, Access, Admit, AlreadyReading, AnswerGate, Attempt, Begin, Blob, BlobHandle,
    BlockingLane, Body, BodyWriter, BoxError, Claim, CommitGate, Database, Deferred, Descriptor,
    Descriptors, Done, Error, ErrorKind, Fault, History, Internal, InternalRequest, Interrupt,
    IntoChunk, Lease, LeaseSource, Ledger, NoDescriptor, OrAbort, Outcome, Participant, Peer,
    PeerAddr, Pending, Phase, Place, Publication, Publisher, PublisherFn, Request, Reserve,
    Response, Route, Snapshot, SnapshotPin, SpooledBody, Stage, StaysInItsWorker, StopWhen,
    Stopped, Switch, Task, Times, Transaction, TransactionOptions, Turn, Unavailable, Work, ledger,
    publisher_fn,
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
