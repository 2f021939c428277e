//! A runtime with enough threads for everything that may block.

#[cfg(test)]
mod tests;

use std::io;

use euryale_core::Ledger;
use euryale_core::ledger::Threads;
use tokio::runtime::{Builder, Runtime};

/// Builds a multi-threaded tokio runtime with timers and sockets. Its blocking threads suffice for
/// all parts that have [declared](Threads) theirs in `ledger`, plus 16.
///
/// Build the pool, the stack and the server first: none of them needs a runtime. No threads are
/// reserved for a part that is built later. If there are then too few threads, a line with their
/// number is logged. Use [`StackLayers`](crate::StackLayers) and
/// [`BlockingThreads`](crate::connection::BlockingThreads) to declare the threads of parts that
/// your program can only build once it runs, and the maximum for parts that grow when settings are
/// reloaded.
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
/// End the runtime with [`shutdown_timeout`](Runtime::shutdown_timeout): if it is just dropped, it
/// waits even for a publisher that never returns. `#[tokio::main]` builds a runtime with 512
/// blocking threads, and drops it. The same line is logged there if all parts together may need
/// more than these threads minus 16.
///
/// # Errors
/// The system refuses to start threads.
pub fn runtime(ledger: &Ledger) -> io::Result<Runtime> {
    runtime_from(Builder::new_multi_thread().enable_all(), ledger)
}

/// Builds the runtime that `builder` describes, with the blocking threads of [`runtime`]. For
/// programs that choose the number of worker threads, or their names.
///
/// ```
/// use euryale::Ledger;
/// use tokio::runtime::Builder;
///
/// let ledger = Ledger::new();
/// let runtime = euryale::runtime_from(
///     Builder::new_multi_thread().enable_all().worker_threads(1),
///     &ledger,
/// )?;
/// assert_eq!(runtime.metrics().num_workers(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system refuses to start threads.
pub fn runtime_from(builder: &mut Builder, ledger: &Ledger) -> io::Result<Runtime> {
    let threads = ledger.threads.sum();
    let runtime = builder
        .max_blocking_threads(threads + Threads::SPARE)
        .build()?;
    ledger.threads.provide(threads);
    Ok(runtime)
}
