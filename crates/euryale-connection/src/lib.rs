//! A hard cap on database connections: a bounded queue of jobs, and workers that take job after
//! job.
//!
//! This is the innermost asynchronous layer, just outside `Publish`. The layers outside it hold no
//! worker and no connection. It also works on its own: [`Pool::run`] and [`Pool::transaction`]
//! serve a plain axum handler, with no layer around it.
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
//! A connection stays open for the next job, with its caches warm.
//!
//! The guide explains [how many
//! connections](https://docs.rs/euryale/latest/euryale/guide/choosing_the_cap/) to use, and how to
//! move [from `spawn_blocking`](https://docs.rs/euryale/latest/euryale/guide/from_diesel/).
//!
//! # Why is there no semaphore?
//!
//! A semaphore permit that moves into `spawn_blocking` costs three wake-ups per request: the task
//! that waits for the permit, the thread that runs the closure, the task that waits for its result.
//! Here, a waiting request is a *job* in the queue and not a task that waits for a permit. Each
//! permit belongs to one worker, which owns one connection and takes job after job in its own
//! thread: one of tokio's blocking threads, or one of the program's own ([`PoolBuilder::threads`]).
//! When the queue stays empty, the worker returns the connection, then the permit, and ends.
//!
//! The permit belongs to the worker. So no number of disconnects, time-outs and HTTP/2 resets makes
//! more jobs run than there are connections. If the permit were in the response future (as in
//! `tower::limit::ConcurrencyLimit`), one HTTP/2 client that resets its streams could start any
//! number of jobs.
//!
//! It replaces, from Zope: `zserver-threads` and ZServer's list of waiting requests, and ZODB's
//! connection pool, which hands out the fullest cache first, as this one does, but only warns when
//! the cap is exceeded.
//!
//! # Who holds what?
//!
//! [`Pool::status`] lists the running jobs, the longest first, with route, lane, phase, attempt and
//! age. A job that has run for 10 s is logged while it still runs ([`PoolBuilder::warn_after`]).
//! The route is the [`Route`](euryale_core::request::Route) that your router put into the request's
//! extensions.
//!
//! Expired connections (`idle_timeout`, `max_lifetime`) are closed in a worker, even when there is
//! no traffic. A small task starts that worker. The task exists only while there is something to
//! look after, holds no strong handle to the pool, and ends with the pool or with its runtime.
//!
//! # Cost
//!
//! A single [`Pool::run`] on a runtime with one thread takes 6 to 11 µs and 2 allocations. Nearly
//! all of the time is spent waking its worker and the waiting task (`cargo bench -p euryale --bench
//! layers` and `--bench allocations`, on two otherwise idle cores of an AMD EPYC). Under load
//! nothing has to be woken; `cargo run --release -p euryale-bench -- page` compares this with a
//! semaphore.
//!
//! # Cancellation
//!
//! Dropping a future removes its waiting job from the queue in constant time, and the job never
//! runs. A running job runs to its end, with its permit and its connection, unless its claim says
//! otherwise ([`Claim::stop_when`](euryale_core::transaction::Claim::stop_when)): the transaction
//! of a publication that only reads is stopped. A transaction is also stopped when its deadline
//! passes, and when [`Pool::close`] times out. A stopped transaction is never committed. Its caller
//! is answered at once, and the worker is free as soon as the database gives up the statement
//! ([`Interrupt`](euryale_core::transaction::Interrupt)) or the publisher returns. If a job has
//! already committed one transaction, it is stopped in the next one and returns its own answer. A
//! commit that has begun is finished. Jobs without a transaction ([`Pool::run`]) are never stopped.
//!
//! The housekeeping task checks deadlines, so a job with a deadline needs no timer. On a runtime
//! without a timer (which is logged), a deadline is checked only when the transaction is about to
//! commit.
//!
//! # Backpressure
//!
//! `poll_ready` signals nothing, because many servers ignore it. The queue is bounded in length
//! (`max_queue`) and in time (`max_wait`), and a job that does not fit is refused at once.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by code: the queue is full ([`QUEUE_FULL`]), the wait was too
//! long ([`QUEUE_ELAPSED`]), the pool is closed, the database is unavailable, or the job panicked.
//! The first four are answered 503 with Retry-After. An axum handler can return `Result<_,
//! euryale_core::Abort>` (feature `axum` of `euryale-core`), which makes the response; in a stack
//! `RespondLayer` makes it.
//!
//! # Panics
//!
//! A panic in a job becomes an error with the code `PANICKED`; its connection is dropped, and the
//! worker goes on. Do not build with `panic = "abort"`. Time limits and housekeeping need tokio's
//! timer. If the runtime has none, that is logged, and the pool works without them.
//!
//! # Shutting down
//!
//! [`Pool::close`] waits for running jobs. Dropping a runtime waits **forever** for its blocking
//! threads, such as that of a publisher that never returns. A program that must end builds its
//! runtime by hand and ends it with `Runtime::shutdown_timeout`.
//!
//! # Features
//!
//! `r2d2`, off by default: connections of diesel, `r2d2_sqlite`, `r2d2_postgres` or any other
//! `r2d2::ManageConnection`. See the module `r2d2`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod book;
mod builder;
mod claim;
mod closing;
mod codes;
mod control;
mod exclusive;
mod housekeeping;
mod job;
mod layer;
mod pool;
mod queue;
#[cfg(feature = "r2d2")]
#[cfg_attr(docsrs, doc(cfg(feature = "r2d2")))]
pub mod r2d2;
mod report;
mod service;
mod state;
mod status;
mod tasks;
#[cfg(test)]
mod tests;
mod threads;
mod transaction;
mod worker;

pub use euryale_core::pool::{Holder, PoolControl, Status, StillBusy, Waiter};

pub use self::book::{Connections, Dropped, PoolBook, Publishers, Queue};
pub use self::builder::PoolBuilder;
pub use self::claim::PoolClaim;
pub use self::codes::{QUEUE_ELAPSED, QUEUE_FULL};
pub use self::layer::ConnectionLimitLayer;
pub use self::pool::Pool;
pub use self::service::ConnectionLimit;
pub use self::state::Lane;
pub use self::threads::{BlockingThreads, PoolWorker, StartWorker};
