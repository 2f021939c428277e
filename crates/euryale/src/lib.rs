//! Synchronous, transactional application code behind an asynchronous front.
//!
//! A *publisher* is your handler: a plain function that runs in a worker thread, inside a database
//! transaction. An asynchronous front does all the waiting: for request bodies, a free connection,
//! the pause after a conflict, and slow readers. The publisher holds a worker thread and a
//! connection only while it works: one request, one connection, one transaction, one thread. The
//! number of connections is a hard cap, whatever clients do.
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
//! The [guide] explains how to move from Zope or from `spawn_blocking`, how many connections to
//! use, what happens when clients leave and servers end, and how to deploy.
//!
//! # The smallest server
//!
//! [`Stack`] is this onion, prebuilt, from `Respond` inwards. With [`Stack::transforms`] it begins
//! at `TransformChain`:
//!
//! ```no_run
//! use euryale::{Body, Pool, Response, Stack};
//! use euryale_sqlite::Sqlite; // or a `Database` of your own
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Two connections, two publications at a time.
//!     let pool = Pool::new(Sqlite::open("site.db")?, 2);
//!     let ledger = pool.ledger().clone();
//!     let site = Stack::new(pool).publish(|_request, transaction| {
//!         // Connects and begins; returning `Ok` commits.
//!         let connection = transaction.connection()?;
//!         let now: String = connection.query_row("SELECT datetime('now')", [], |row| row.get(0))?;
//!         Ok(Response::new(Body::from(now)))
//!     });
//!     // With enough threads for all parts that were built.
//!     euryale::runtime(&ledger)?.block_on(async {
//!         let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!         Ok(axum::serve(listener, axum::Router::new().fallback_service(site)).await?)
//!     })
//! }
//! ```
//!
//! A stack is a tower service for any body, and its error is `Infallible`.
//! `axum::Router::fallback_service` accepts it, and so does `euryale_server::Server`, which has the
//! limits and the graceful shutdown that production needs ([`guide::deploying`]). [`runtime()`]
//! builds a runtime with enough threads for everything that blocks in it; any other tokio runtime
//! works too, and a warning is logged if it has too few threads.
//!
//! # Two layers in an axum application
//!
//! Each layer also works on its own. Here, asynchronous handlers get the client's address behind a
//! proxy, and return an open file. The layers take care of ranges and conditional requests.
//! (Feature `axum`.)
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
//! // Under `axum::serve` the peer is in `ConnectInfo`. `euryale_server` needs no `peer`.
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
//! In a router, a layer that can fail (Spool, AwaitDeferred, Republish, Retry, ConnectionLimit)
//! needs [`RespondLayer`] outside it: [`spool`] shows the pair. `ConnectionLimit` goes around
//! [`Publish`], as [`publisher`] shows, and not around handlers, which would not run in its
//! workers. [`Stack::layer`] puts your own layers between ours; if you compose the layers by hand,
//! put yours anywhere.
//!
//! [`Publish`]: publisher::Publish
//! [`RespondLayer`]: respond::RespondLayer
//!
//! # Layers
//!
//! | layer | crate | holds a worker? | replaces |
//! |---|---|---|---|
//! | [Forwarded], [VirtualHost], [CheckHost] | [`forwarded`] | no | `VirtualHostMonster`, `trusted-proxy` |
//! | [TransformChain] | [`transform`] | no | `plone.transformchain` |
//! | its [Tiles] and [themes] | [`tiles`], `euryale-theme` | no | `plone.app.blocks`, Diazo |
//! | [Respond] | [`respond`] | no | `standard_error_message` |
//! | [ServeBlob], [Offload] | [`blob`] | no | `filestream_iterator`, ranges in Python, `collective.xsendfile` |
//! | [AwaitDeferred] | [`deferred`] | no | asynchronous stream iterators |
//! | [Spool] | [`spool`] | no | Medusa's collector, waitress's buffers |
//! | [Republish] | [`promise`] | no | `collective.futures` |
//! | tower's `Retry` with [ConflictPolicy] | [`publisher`] | no | ZPublisher's retry, which slept in its thread |
//! | [ConnectionLimit] | [`connection`] | no | `zserver-threads`, ZODB's pool |
//! | [Publish] | [`publisher`] | **yes** | ZPublisher |
//!
//! Each of these modules is a crate of the same name: [`spool`] is `euryale-spool`, which depends
//! on `euryale-core` and on no other layer. `euryale-theme` is not a module here: its engine
//! contains XPath, which programs without a theme should not have to build.
//!
//! The modules [`body`], [`error`], [`ledger`], [`request`], [`threads`] and [`transaction`] are
//! those of `euryale-core`. The root has what the author of a publisher writes.
//!
//! [Forwarded]: forwarded::ForwardedLayer
//! [VirtualHost]: forwarded::VirtualHostLayer
//! [CheckHost]: forwarded::CheckHostLayer
//! [TransformChain]: transform::TransformChainLayer
//! [Tiles]: tiles::Tiles
//! [themes]: https://docs.rs/euryale-theme
//! [Respond]: respond::RespondLayer
//! [ServeBlob]: blob::ServeBlobLayer
//! [Offload]: blob::OffloadLayer
//! [AwaitDeferred]: deferred::DeferredLayer
//! [Spool]: spool::SpoolLayer
//! [Republish]: promise::RepublishLayer
//! [ConflictPolicy]: publisher::ConflictPolicy
//! [ConnectionLimit]: connection::ConnectionLimitLayer
//! [Publish]: publisher::Publish
//!
//! Outside the stack, [`euryale-server`](https://docs.rs/euryale-server) is the server,
//! [`euryale-agent-check`](https://docs.rs/euryale-agent-check) tells HAProxy how much a node can
//! take, [`euryale-bus`](https://docs.rs/euryale-bus) carries messages between the processes of a
//! host, [`euryale-tasks`](https://docs.rs/euryale-tasks) runs work after the answer, and
//! [`euryale-sqlite`](https://docs.rs/euryale-sqlite) is a database.
//!
//! # When it does not compile
//!
//! The invariants are types, so layers in the wrong order fail to compile with an unsatisfied
//! bound. This list translates the compiler's messages:
//!
//! * **`Publication<…>: Clone`**, or **`ConflictPolicy: Policy<Publication<…>>`**: a retry is
//!   inside `ConnectionLimit`, where it would wait for a second permit while it holds one. Put it
//!   outside.
//! * **`Republish<…>: Service<Publication<…>>`**: the same for Republish.
//! * **`Publish<…>: Service<Request<…>>`**: the number of publications is not limited. Put a
//!   `ConnectionLimitLayer` around it.
//! * **`Route: Service<Publication<…>>`**: `ConnectionLimit` is around handlers, which do not run
//!   in its workers. Call [`Pool::run`] in the handlers.
//! * **Expected `SpooledBody`, found `Body`**: a `SpoolLayer` is missing outside.
//! * **`Body: Clone`** (axum's body): a retry or a Republish is outside Spool. Put it inside.
//! * **`Infallible: From<Error>`**, or **expected `Infallible`, found `Error`**: a layer can fail,
//!   and there is no `RespondLayer` outside it.
//! * **`*mut StaysInItsWorker` cannot be sent**: a deferred computation uses the transaction. Read
//!   the values first, and move those.
//! * **Borrowed data escapes**, or **lifetime may not live long enough**: the same for a connection
//!   or its rows. Collect the rows.
//! * **Implementation of `FnOnce`**, or of `Fn`, **is not general enough**: a closure was given to
//!   [`Stack::publisher`] or to `Publish::new`. Give it to [`Stack::publish`], or wrap it in
//!   [`publisher_fn`].
//! * **Expected a `Fn` closure**: a type that implements [`Publisher`] was given to
//!   [`Stack::publish`]. Give it to [`Stack::publisher`].
//! * **Is not a claim on a pool**: the claim of a `Publication` does not come from a pool.
//! * **Does not publish from the database**: a publisher must be a plain function with the
//!   signature in the message, for the same database, and not an `async fn`.
//!
//! # With tower-http's layers
//!
//! Put them around the stack, in the order of this example, from the inside out. There, refusing
//! cross-site requests (`Sec-Fetch-Site`, `Origin`) needs no worker. An origin that CORS allows to
//! read responses may send requests only if you name it for `CsrfLayer` too. Compression is
//! outermost, and **never applies to files**: they would be read instead of sent with
//! `sendfile(2)`, and an interrupted download could no longer be resumed
//! ([`may_compress`](blob::may_compress)). Without [`accept_identity`](blob::accept_identity),
//! compression could answer 406 after a commit.
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
//! let site = Stack::new(pool).publish(|_, _| Ok(Response::new(Body::from("hello"))));
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
//! The layers of a [`Stack`] between `Respond` and `Retry` together take 0.7 µs and 11 allocations,
//! if each is measured alone with nothing to do. Those of [`forwarded`] take 0.3 µs and 8 more, and
//! a chain of [`transform`]s 0.2 µs and 2. In one stack their values share one extension of the
//! request, of which three layers keep a copy, so all layers together add 20 allocations to a
//! publication. A publication that arrives alone then takes about 20 µs and 31 allocations,
//! including those of the request itself; nearly all of the time is spent waking two threads. Under
//! load no thread has to be woken (`cargo bench -p euryale --bench layers` and `--bench
//! allocations`, on two otherwise idle cores of an AMD EPYC). The type name of all layers together
//! is 0.7 kB long.
//!
//! # Features
//!
//! * `forms`: forms are parsed while they arrive.
//! * `axum`: axum handlers return `Result<_, Abort>`, in which `?` accepts every error. They can
//!   return [`Blob`], [`Body`] and [`Deferred`], and take `promise::HandlerPromises`,
//!   [`forwarded::Client`] and [`forwarded::PublicUrl`] as arguments.
//! * `r2d2`: `connection::r2d2`, which connects diesel, `r2d2_postgres` or any other
//!   `r2d2::ManageConnection`.
//!
//! # Cancellation
//!
//! When a client disconnects, its waiting request leaves the queue. A running publication is
//! stopped if it only reads, and finished otherwise.
//!
//! # Backpressure
//!
//! The queue is bounded; a request that does not fit is answered 503 at once.
//!
//! # Errors
//!
//! Inside, layers return [`Error`]; outside, there are only responses. A response reveals no
//! internals. The cause is logged through `tracing`, so the program needs a subscriber, such as
//! `tracing_subscriber::fmt::init()`.
//!
//! # Panics
//!
//! A panic is answered 500. Do not build with `panic = "abort"`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;
mod runtime;
mod stack;

pub use euryale_blob as blob;
pub use euryale_connection as connection;
pub use euryale_connection::Pool;
pub use euryale_core::{
    Abort, Blob, Body, BoxError, Database, Deferred, Error, Ledger, OrAbort, OrStatus, Publisher,
    Request, Response, Transaction, body, bus, error, ledger, publisher_fn, request, threads,
    transaction,
};
pub use euryale_deferred as deferred;
pub use euryale_forwarded as forwarded;
pub use euryale_promise as promise;
pub use euryale_publisher as publisher;
pub use euryale_respond as respond;
pub use euryale_spool as spool;
pub use euryale_store as store;
pub use euryale_subrequest as subrequest;
pub use euryale_tiles as tiles;
pub use euryale_transform as transform;

pub use self::runtime::{runtime, runtime_from};
pub use self::stack::{Stack, StackInner, StackLayers, StackService};
