//! Threads for transforms that compute for long.

use std::thread::available_parallelism;

use euryale_core::ledger::GaugeGuard;
use euryale_core::{BlockingLane, Error, Ledger};

/// As many blocking threads as there are cores, and a bounded queue in front of them. Clones share both.
#[derive(Clone, Debug)]
pub struct Cpu {
    lane: BlockingLane,
    ledger: Ledger,
}

impl Cpu {
    pub(crate) fn new(ledger: Ledger) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { lane: BlockingLane::new("transforms", cores).max_waiting(1024).ledger(&ledger), ledger }
    }

    pub(crate) fn threads(mut self, threads: usize) -> Self {
        self.lane = self.lane.resized(threads);
        self
    }

    pub(crate) fn max_queue(mut self, most: usize) -> Self {
        self.lane = self.lane.max_waiting(most);
        self
    }

    pub(crate) fn ledger(mut self, ledger: Ledger) -> Self {
        self.lane = self.lane.ledger(&ledger);
        self.ledger = ledger;
        self
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.lane.threads()
    }

    /// Runs `work` when a thread is free, in the order in which threads were asked for. When nobody waits for it any
    /// more, work that has not begun never does; what runs keeps its thread until it returns.
    ///
    /// # Errors
    /// By kind: [`LaneFull`](euryale_core::ErrorKind::LaneFull) (too many wait already),
    /// [`NoWorker`](euryale_core::ErrorKind::NoWorker), [`Panicked`](euryale_core::ErrorKind::Panicked),
    /// [`WouldDeadlock`](euryale_core::ErrorKind::WouldDeadlock) (asked for in one of these threads).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.lane.enter().await?;
        turn.counted(GaugeGuard::new(&self.ledger, |ledger| &ledger.deferred.cpu, 1)).start(work)?.await
    }
}
