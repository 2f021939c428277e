//! A hard cap on database connections: a bounded queue of jobs in front of workers that hand over
//! from job to job.
//!
//! Innermost of the asynchronous layers, just outside `Publish`. Everything above it holds no
//! worker and no connection. It works without the rest, too: [`Pool::run`] and
//! [`Pool::transaction`] serve a plain axum handler, with no layer around it.
//!
//! ```
//! use axum::extract::{Path, State};
//! use axum::{Router, routing::post};
//! use euryale_connection::Pool;
//! use euryale_core::Abort;
//! use euryale_sqlite::Sqlite; // or a `Database` of your own
//!
//! async fn add(
//!     State(pool): State<Pool<Sqlite>>,
//!     Path(amount): Path<i64>,
//! ) -> Result<String, Abort> {
//!     let sql = "UPDATE total SET sum = sum + ?1 RETURNING sum";
//!     // At most two of these run at a time; the others wait as jobs in the queue. The first `?`
//!     // is the pool's, the second the database's.
//!     let sum: i64 = pool
//!         .run(move |connection| connection.query_row(sql, [amount], |row| row.get(0)))
//!         .await??;
//!     Ok(format!("{sum}\n"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let database = Sqlite::open(folder.path().join("total.db"))?;
//! database.migrate(&["
//!     CREATE TABLE total (sum INTEGER NOT NULL);
//!     INSERT INTO total VALUES (40)
//! "])?;
//! let app: Router = Router::new()
//!     .route("/add/{amount}", post(add))
//!     .with_state(Pool::new(database, 2));
//! # use tower::ServiceExt;
//! # let request = http::Request::post("/add/2").body(axum::body::Body::empty())?;
//! # let response = app.oneshot(request).await?;
//! # assert_eq!(axum::body::to_bytes(response.into_body(), 99).await?, "42\n");
//! # Ok(())
//! # }
//! ```
//!
//! A connection stays open, and warm, for the next job.
//!
//! The guide tells [how many
//! connections](https://docs.rs/euryale/latest/euryale/guide/choosing_the_cap/) to have, and how to
//! come here [from `spawn_blocking`](https://docs.rs/euryale/latest/euryale/guide/from_diesel/).
//!
//! # Why no semaphore
//!
//! A semaphore's permit that moves into `spawn_blocking` costs three wake-ups for each request: the
//! task that waits for the permit, the thread that runs the closure, the task that waits for its
//! result. Here a waiting request is a *job* in the queue, not a task that waits for a permit. Each
//! permit is one worker, which owns one connection and takes job after job in its own thread: one
//! of tokio's blocking threads, or one of the program's own ([`PoolBuilder::threads`]). When the
//! queue stays empty it puts the connection back, then the permit, and ends.
//!
//! The permit lives in the worker. So a client that goes away, a time-out or an HTTP/2 reset,
//! however many of them, never lets more jobs run than there are connections; with the permit in
//! the response future (`tower::limit::ConcurrencyLimit`) one HTTP/2 client that resets its streams
//! runs as many as it likes.
//!
//! It replaces, from Zope: `zserver-threads` and ZServer's list of waiting requests, and ZODB's
//! connection pool, which hands out the fullest cache first but warns where this refuses.
//!
//! # Who holds what
//!
//! [`Pool::status`] names the jobs that run, the longest first: route, lane, phase, attempt and
//! age. One that has run for 10 s is logged while it still runs ([`PoolBuilder::warn_after`]). The
//! route is that of the request ([`Route`](euryale_core::Route) in its extensions, set by whoever
//! routes).
//!
//! Connections whose time is over (`idle_timeout`, `max_lifetime`) are closed with or without
//! traffic, in a worker. A small task of the runtime sends for it. It is there only while there is
//! something to look after, holds no handle to the pool, and ends with the pool or with its
//! runtime.
//!
//! # Cost
//!
//! A [`Pool::run`] that comes alone, on a runtime of one thread: 6 to 11 µs and 2 allocations,
//! nearly all of it for waking its worker and the task that waits
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, with nothing else on two
//! cores of an AMD EPYC). Under load nobody is woken:
//! `cargo run --release -p euryale-bench -- page` compares that with a semaphore.
//!
//! # Cancellation
//!
//! Dropping a future takes its waiting job out of the queue in constant time, and it is never run.
//! A running job runs to its end, with its permit and its connection, unless its claim says
//! otherwise ([`Claim::stop_when`](euryale_core::Claim::stop_when)): the transaction of a
//! publication that only reads is stopped. So is a transaction whose deadline has passed, and what
//! still runs when [`Pool::close`] times out. Stopped means that it is not committed, now or later;
//! whoever waits is answered at once, and the worker is free as soon as the database lets go of the
//! statement ([`Interrupt`](euryale_core::Interrupt)) or the publisher returns. A job that has
//! committed one transaction already is stopped in the next, too, and gives its own answer. A
//! commit that has begun is finished. Jobs without a transaction ([`Pool::run`]) are never stopped.
//!
//! The housekeeping task keeps the deadlines: a job with one costs no timer of its own. On a
//! runtime without a timer, which the log names, a deadline is met only when the transaction would
//! commit.
//!
//! # Backpressure
//!
//! None through `poll_ready`, which many servers do not honour. The queue is bounded in length
//! (`max_queue`) and in time (`max_wait`); what does not fit is refused at once.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by kind: the queue is full, the wait too long, the pool closed,
//! the database unavailable, the job panicked. The first four are answered 503 with Retry-After. In
//! a handler of axum's return `Result<_, euryale_core::Abort>` (feature `axum` of `euryale-core`),
//! which answers; in a stack `RespondLayer` does.
//!
//! # Panics
//!
//! A panic of a job is an error of kind `Panicked`; its connection is dropped, and the worker goes
//! on. Do not build with `panic = "abort"`. Waiting with a bound needs tokio's timer, as all of
//! tokio's time-outs do, and so does what is due at a time; a runtime without one is logged, and
//! its pool goes on without.
//!
//! # Shutting down
//!
//! [`Pool::close`] waits for what runs. A runtime that is dropped waits for blocking threads **for
//! ever**, and a publisher that never returns is one: a program that must end builds its runtime by
//! hand and ends it with `Runtime::shutdown_timeout`.
//!
//! # Features
//!
//! `r2d2`, off by default: connections of diesel, `r2d2_sqlite`, `r2d2_postgres` or any other
//! `r2d2::ManageConnection`. See the module `r2d2`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claim;
mod housekeeping;
mod job;
mod layer;
mod pool;
mod queue;
#[cfg(feature = "r2d2")]
#[cfg_attr(docsrs, doc(cfg(feature = "r2d2")))]
pub mod r2d2;
mod service;
#[cfg(test)]
mod tests;
mod threads;
mod worker;

pub use self::claim::PoolClaim;
pub use self::layer::ConnectionLimitLayer;
pub use self::pool::{Holder, Lane, Pool, PoolBuilder, Status, StillBusy, Waiter};
pub use self::service::ConnectionLimit;
pub use self::threads::{PoolWorker, StartWorker};
