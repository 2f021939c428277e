//! Work for the CPU.

use std::thread::available_parallelism;

use euryale_core::{BlockingLane, Error, Ledger, Place};

/// As many blocking threads as there are cores, and a short queue: for what computes for long, such
/// as a PDF or a picture. Clones are handles to the same pool, which the ledger counts as the lane
/// `cpu`.
///
/// ```
/// use euryale_core::{Body, Error, Response};
/// use euryale_deferred::CpuPool;
///
/// fn publish(cpu: &CpuPool) -> Result<Response, Error> {
///     // Before the commit: a full pool refuses a request of which nothing was done.
///     let place = cpu.reserve()?;
///     // No worker is held while it waits for a core, nor while it has one.
///     let body = Body::deferred(async move {
///         let pdf = place.run(|| vec![b'%'; 100]).await?;
///         Ok::<_, Error>(Response::new(Body::from(pdf)))
///     });
///     Ok(Response::new(body))
/// }
/// # publish(&CpuPool::new()).unwrap();
/// ```
///
/// # Cancellation
/// Work whose future is dropped while it waits never runs. Running work keeps its thread until it
/// returns.
#[derive(Clone, Debug)]
#[must_use]
pub struct CpuPool {
    lane: BlockingLane,
}

impl CpuPool {
    /// A pool of as many threads as there are cores, where 64 may wait.
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            lane: BlockingLane::new("cpu", cores).max_waiting(64),
        }
    }

    /// How many run at a time; at least 1. Default: as many as there are cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.lane = self.lane.resized(threads);
        self
    }

    /// How many may wait; what comes then is refused. Default: 64.
    pub fn max_queue(mut self, most: usize) -> Self {
        self.lane = self.lane.max_waiting(most);
        self
    }

    /// Counts in this ledger. Default: in none.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.lane = self.lane.ledger(ledger);
        self
    }

    /// How many blocking threads it may want at a time.
    #[must_use]
    pub fn cpu_threads(&self) -> usize {
        self.lane.threads()
    }

    /// A place, now: a thread if one is free, and otherwise a place in the queue. A publisher takes
    /// it before its transaction is committed, and runs work in it afterwards, when nothing must be
    /// refused any more.
    ///
    /// # Errors
    /// [`LaneFull`](euryale_core::ErrorKind::LaneFull) (503), when too many wait.
    pub fn reserve(&self) -> Result<Place, Error> {
        self.lane.reserve()
    }

    /// Runs `work` when one of the threads is free: in the order in which they were asked. What a
    /// deferred response runs is refused after its commit; use [`reserve`](CpuPool::reserve) there.
    ///
    /// # Errors
    /// Those of a [lane](BlockingLane#errors); by kind
    /// [`LaneFull`](euryale_core::ErrorKind::LaneFull) (503), at once, when too many wait.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.lane.run(work).await
    }
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new()
    }
}
