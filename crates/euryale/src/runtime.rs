//! A runtime with enough threads for everything that may block.

#[cfg(test)]
mod tests;

use std::io;

use euryale_core::Ledger;
use euryale_core::ledger::Threads;
use tokio::runtime::{Builder, Runtime};

/// A multi-threaded tokio runtime, with timers and sockets, whose blocking threads are enough for
/// all parts that have [declared](Threads) theirs in `ledger`, and 16 more.
///
/// Build the pool, the stack and the server first: none of them needs a runtime. A part that is
/// built later has no threads of its own. If that makes them too few, one line in the log says so,
/// with the number. [`StackLayers`](crate::StackLayers) and
/// [`BlockingThreads`](crate::connection::BlockingThreads) declare what a program can only build
/// once it runs, and the maximum of what grows when settings are read again.
///
/// ```
/// use euryale::{Body, Pool, Response, Stack};
/// use euryale_test::CountingDatabase; // stands for your database
///
/// let pool = Pool::new(CountingDatabase::new(), 8);
/// let ledger = pool.ledger().clone();
/// let site = Stack::new(pool).publish(|_, _| Ok(Response::new(Body::from("hello"))));
/// let parts = "publishers, files, bodies, promises, deferred responses and written bodies";
/// assert_eq!(ledger.threads.sum(), 8 + 32 + 4 + 8 + 128 + 64, "{parts}");
/// let runtime = euryale::runtime(&ledger)?;
/// # drop((site, runtime));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// End it with [`shutdown_timeout`](Runtime::shutdown_timeout): dropped, it waits for a publisher
/// that never returns. `#[tokio::main]` builds a runtime with 512 blocking threads and drops it.
/// There the log has the same line if all parts together may want more than these, without 16 to
/// spare.
///
/// # Errors
/// When the system refuses threads.
pub fn runtime(ledger: &Ledger) -> io::Result<Runtime> {
    let threads = ledger.threads.sum();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(threads + Threads::SPARE)
        .build()?;
    ledger.threads.provide(threads);
    Ok(runtime)
}
