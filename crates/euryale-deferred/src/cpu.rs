//! Work for the CPU.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use euryale_core::{Error, ErrorKind, Ledger, Work};

use crate::blocking::{self, Lane, Place};

/// As many blocking threads as there are cores, and a short queue: for what computes for long, such as a PDF or a
/// picture. Clones are handles to the same pool.
///
/// ```
/// use euryale_core::{Body, Error, Response};
/// use euryale_deferred::CpuPool;
///
/// let cpu = CpuPool::new();
/// // What a publisher returns: no worker is held while it waits for a core, and none while it has one.
/// let body = Body::deferred(async move {
///     let pdf = cpu.run(|| vec![b'%'; 100]).await?;
///     Ok::<_, Error>(Response::new(Body::from(pdf)))
/// });
/// # drop(body);
/// ```
///
/// # Cancellation
/// Work whose future is dropped while it waits never runs. What runs keeps its thread until it returns.
#[derive(Clone)]
#[must_use]
pub struct CpuPool {
    lane: Lane,
    max_queue: usize,
    waiting: Arc<AtomicUsize>,
    ledger: Ledger,
}

thread_local! {
    /// The pool whose thread this is, by the address of what its handles share.
    static POOL: Cell<usize> = const { Cell::new(0) };
}

impl CpuPool {
    /// A pool of as many threads as there are cores, where 64 may wait.
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let (max_queue, waiting, ledger) = (64, Arc::default(), Ledger::new());
        Self { lane: lane(cores), max_queue, waiting, ledger }
    }

    /// How many run at a time; at least 1. Default: as many as there are cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.lane = lane(threads);
        self
    }

    /// How many may wait; what comes then is refused. Default: 64.
    pub fn max_queue(mut self, most: usize) -> Self {
        self.max_queue = most;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// How many blocking threads it may want at a time.
    #[must_use]
    pub fn cpu_threads(&self) -> usize {
        self.lane.places()
    }

    /// Runs `work` when one of the threads is free: in the order in which they were asked.
    ///
    /// # Errors
    /// By kind: [`LaneFull`](ErrorKind::LaneFull) (503, at once), [`NoWorker`](ErrorKind::NoWorker),
    /// [`Panicked`](ErrorKind::Panicked), [`WouldDeadlock`](ErrorKind::WouldDeadlock) (asked for in a thread of
    /// this pool, which would wait for itself).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let id = self.id();
        if POOL.get() == id {
            return Err(Error::new(ErrorKind::WouldDeadlock));
        }
        let place = match self.lane.try_enter(&self.ledger) {
            Some(place) => place,
            None => self.wait().await?,
        };
        let (work, done) = Work::new(move || {
            let _mark = Mark::set(id);
            work()
        });
        blocking::run(work, place)?;
        done.await
    }

    async fn wait(&self) -> Result<Place, Error> {
        let Some(_waiting) = Waiting::begin(&self.waiting, self.max_queue) else {
            self.ledger.deferred.full.add(1);
            return Err(Error::new(ErrorKind::LaneFull));
        };
        self.lane.wait(&self.ledger).await
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.waiting).addr()
    }
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuPool")
            .field("threads", &self.cpu_threads())
            .field("waiting", &self.waiting.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

fn lane(threads: usize) -> Lane {
    Lane::new(threads, |ledger| &ledger.deferred.cpu)
}

/// One of those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |waiting| (waiting < most).then_some(waiting + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marks this thread as one of a pool's, for as long as it lives.
struct Mark;

impl Mark {
    fn set(pool: usize) -> Self {
        POOL.set(pool);
        Self
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        POOL.set(0);
    }
}
