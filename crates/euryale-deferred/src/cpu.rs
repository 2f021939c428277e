//! Work for the CPU.

use std::thread::available_parallelism;

use euryale_core::ledger::GaugeGuard;
use euryale_core::{BlockingLane, Error, ErrorKind, Ledger};

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
#[derive(Clone, Debug)]
#[must_use]
pub struct CpuPool {
    lane: BlockingLane,
    ledger: Ledger,
}

impl CpuPool {
    /// A pool of as many threads as there are cores, where 64 may wait.
    pub fn new() -> Self {
        let (cores, ledger) = (available_parallelism().map_or(1, usize::from), Ledger::new());
        Self { lane: BlockingLane::new("cpu", cores).max_waiting(64).ledger(&ledger), ledger }
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

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.lane = self.lane.ledger(&ledger);
        self.ledger = ledger;
        self
    }

    /// How many blocking threads it may want at a time.
    #[must_use]
    pub fn cpu_threads(&self) -> usize {
        self.lane.threads()
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
        let full = |error: &Error| {
            self.ledger.deferred.full.add(u64::from(error.kind() == ErrorKind::LaneFull));
        };
        let turn = self.lane.enter().await.inspect_err(full)?;
        turn.counted(GaugeGuard::new(&self.ledger, |ledger| &ledger.deferred.cpu, 1)).start(work)?.await
    }
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new()
    }
}
