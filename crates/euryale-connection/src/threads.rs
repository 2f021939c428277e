//! The threads of a pool's workers.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::Ledger;
use euryale_core::error::PanicMessage;
use euryale_core::ledger::ThreadBound;
use tokio::runtime::Handle;

use crate::closing::log_panic;

/// Provides the threads for a pool's workers; set by
/// [`PoolBuilder::threads`](crate::PoolBuilder::threads).
///
/// By default workers run on tokio's blocking threads, which end after 10 s without work. The
/// program's own threads keep their names and their thread-local values, as interpreters and
/// profilers expect. A closure is also a `StartWorker`:
///
/// ```
/// use std::sync::{Arc, Mutex, mpsc};
/// use std::thread;
///
/// use euryale_connection::{Pool, PoolWorker};
/// use euryale_test::CountingDatabase; // stands for your database
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = mpsc::channel::<PoolWorker>();
/// let receiver = Arc::new(Mutex::new(receiver));
/// for number in 0..2 {
///     let receiver = Arc::clone(&receiver);
///     let next = move || receiver.lock().ok()?.recv().ok();
///     // Ends when the pool, and so the sender, has been dropped.
///     let run = move || std::iter::from_fn(next).for_each(PoolWorker::run);
///     thread::Builder::new().name(format!("publisher-{number}")).spawn(run)?;
/// }
/// let pool = Pool::builder(CountingDatabase::new())
///     .connections(2)
///     .threads(move |worker| drop(sender.send(worker)))
///     .build();
/// let name = pool.run(|_| thread::current().name().map(str::to_owned)).await?;
/// assert!(name.is_some_and(|name| name.starts_with("publisher-")));
/// # Ok(())
/// # }
/// ```
///
/// It is dropped with the pool, possibly on one of its own threads, so its `Drop` must not join
/// them.
pub trait StartWorker: Send + Sync + 'static {
    /// Must soon call [`worker.run()`](PoolWorker::run) on a thread that may block. The number of
    /// started workers that have not returned never exceeds the pool's cap, or its former cap after
    /// it was resized.
    ///
    /// It is called on threads of the runtime and in other workers, without any lock of the pool,
    /// and must not block. A panic is logged, and counts as a dropped worker.
    fn start(&self, worker: PoolWorker);

    /// Prepares for at most `workers` workers at a time.
    ///
    /// It is called when the pool is built, and by each [`Pool::resize`](crate::Pool::resize):
    /// before the pool starts more workers than before, or after its cap was lowered. In the second
    /// case the surplus workers return after their current job, so end one thread for each of them.
    /// Calls do not overlap, because the pool holds a lock that only resizing takes. This method
    /// must therefore not resize the pool itself, but [`start`](Self::start) may. Default: does
    /// nothing.
    fn resize(&self, workers: usize) {
        let _ = workers;
    }

    /// Returns whether a worker may take another job.
    ///
    /// It is called on the worker's thread after each job, without any lock of the pool and before
    /// the job's result is delivered, and must not block. If it returns `false`, the worker ends.
    /// If jobs wait, the pool then calls [`start`](Self::start) for one worker, whose
    /// [`run`](PoolWorker::run) takes the first job; an implementation may delay that call. In this
    /// way threads that exclude each other, like those of an interpreter with a global lock, can
    /// leave jobs in the queue for the thread that is running. Default: `true`.
    fn goes_on(&self) -> bool {
        true
    }
}

impl<F> StartWorker for F
where
    F: Fn(PoolWorker) + Send + Sync + 'static,
{
    fn start(&self, worker: PoolWorker) {
        self(worker);
    }
}

/// A worker of a pool that waits for its thread; see [`StartWorker`].
///
/// It holds a permit of the pool. If it is dropped without having run, the permit is returned, and
/// jobs that no other worker would run are refused with
/// [`NO_WORKER`](euryale_core::error::NO_WORKER).
#[must_use]
pub struct PoolWorker {
    post: Arc<dyn Post>,
    runtime: Handle,
}

impl PoolWorker {
    /// Creates a worker that uses the given runtime, on a thread of any kind.
    pub(crate) fn new<W: Work>(worker: W, runtime: Handle) -> Self {
        Self {
            post: Arc::new(Mutex::new(Some(worker))),
            runtime,
        }
    }

    /// Runs the pool's jobs on this thread, and returns when there is nothing to do for the moment.
    /// Blocks until then. The pool starts another worker when it needs one again.
    ///
    /// The jobs run inside the runtime from which the worker was started.
    pub fn run(self) {
        let _entered = self.runtime.enter();
        let _mark = InWorker::mark();
        self.post.work();
    }
}

impl Drop for PoolWorker {
    fn drop(&mut self) {
        self.post.vacate();
    }
}

impl fmt::Debug for PoolWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWorker").finish_non_exhaustive()
    }
}

/// The work of a worker on its thread. Its `Drop` returns everything that it holds.
pub(crate) trait Work: Send + 'static {
    fn run(self);
}

/// A slot from which a worker is taken once, to run or to be dropped.
trait Post: Send + Sync {
    fn work(&self);

    fn vacate(&self);
}

impl<W: Work> Post for Mutex<Option<W>> {
    fn work(&self) {
        if let Some(worker) = take(self) {
            worker.run();
        }
    }

    fn vacate(&self) {
        drop(take(self));
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The default of [`PoolBuilder::threads`](crate::PoolBuilder::threads): the blocking threads of
/// the runtime from which a worker is called for. Their number is [declared] in a ledger, so that a
/// runtime can have enough of them.
///
/// A pool declares its cap, and each greater cap to which it is resized. A runtime that already
/// exists does not grow with it. If your program reloads its settings, declare the greatest cap
/// that they allow before you build the runtime; the pool itself may be built later:
///
/// ```
/// use euryale_connection::{BlockingThreads, Pool};
/// use euryale_core::Ledger;
///
/// let ledger = Ledger::new();
/// let threads = BlockingThreads::new(64, &ledger);
/// assert_eq!(ledger.threads.sum(), 64);
/// // Now the runtime is built, and the database is opened.
/// let pool = Pool::builder(()).connections(4).threads(threads).ledger(ledger.clone()).build();
/// pool.resize(32);
/// assert_eq!(ledger.threads.sum(), 64);
/// ```
///
/// [declared]: euryale_core::ledger::Threads
#[derive(Debug)]
pub struct BlockingThreads {
    bound: ThreadBound,
    ledger: Ledger,
}

impl BlockingThreads {
    /// Declares threads for at most `most` workers at a time in `ledger`.
    #[must_use]
    pub fn new(most: usize, ledger: &Ledger) -> Self {
        let bound = ThreadBound::new("publishers", most);
        let ledger = ledger.clone();
        ledger.threads.declare(&bound);
        Self { bound, ledger }
    }
}

impl StartWorker for BlockingThreads {
    #[expect(
        clippy::disallowed_methods,
        reason = "the pool's worker: the cap bounds it"
    )]
    fn start(&self, worker: PoolWorker) {
        self.ledger.threads.check();
        let post = Arc::clone(&worker.post);
        let runtime = worker.runtime.clone();
        // If tokio cannot start a thread, it panics but keeps the closure for a later thread, so
        // the worker must be taken out of the closure.
        let spawned = PanicMessage::catch(|| runtime.spawn_blocking(move || worker.run()));
        if let Err(panic) = spawned {
            log_panic(&panic, "no thread for a worker");
            post.vacate();
        }
    }

    fn resize(&self, workers: usize) {
        if workers > self.bound.threads() {
            self.bound.raise(workers);
            // Declares the threads again, so that they are checked again.
            self.ledger.threads.declare(&self.bound);
            self.ledger.threads.check();
        }
    }
}

/// Runs work without a permit on a blocking thread of the runtime. Drops it if there is no thread.
#[expect(
    clippy::disallowed_methods,
    reason = "only `close` waits for it, once in a pool's life"
)]
pub(crate) async fn run_blocking(work: impl FnOnce() + Send + 'static) {
    // If tokio cannot start a thread, it panics, and a later thread drops the work.
    if let Ok(running) = PanicMessage::catch(|| tokio::task::spawn_blocking(work)) {
        // A runtime that ends drops the work.
        let _ = running.await;
    }
}

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread runs a worker, which holds a permit and must not wait for another.
pub(crate) fn is_worker_thread() -> bool {
    IN_WORKER.get()
}

/// Marks this thread as a worker's until it is dropped.
struct InWorker;

impl InWorker {
    fn mark() -> Self {
        IN_WORKER.set(true);
        Self
    }
}

impl Drop for InWorker {
    fn drop(&mut self) {
        IN_WORKER.set(false);
    }
}
