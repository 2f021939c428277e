//! The number of threads of a lane, which may change.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ledger::ThreadBound;

/// The state that all handles to a lane share.
pub(super) struct SharedLane {
    pub(super) turns: Arc<Semaphore>,
    pub(super) waiting: AtomicUsize,
    pub(super) bound: ThreadBound,
    size: Mutex<Size>,
}

struct Size {
    threads: usize,
    /// Turns beyond the size, which are removed when they are returned.
    surplus: usize,
}

impl SharedLane {
    pub(super) fn new(name: &'static str, threads: usize) -> Arc<Self> {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(threads)),
            waiting: AtomicUsize::new(0),
            bound: ThreadBound::new(name, threads),
            size: Mutex::new(Size {
                threads,
                surplus: 0,
            }),
        })
    }

    pub(super) fn threads(&self) -> usize {
        self.size().threads
    }

    pub(super) fn resize(&self, threads: usize) {
        let most = self.bound.threads().min(Semaphore::MAX_PERMITS);
        let threads = threads.clamp(1, most);
        let mut size = self.size();
        if let Some(fewer) = size.threads.checked_sub(threads) {
            size.surplus += fewer - self.turns.forget_permits(fewer);
        } else {
            let more = threads - size.threads;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.turns.add_permits(more - kept);
        }
        size.threads = threads;
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit of a turn.
pub(super) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    lane: Arc<SharedLane>,
}

impl Permit {
    pub(super) fn new(permit: OwnedSemaphorePermit, lane: Arc<SharedLane>) -> Self {
        Self {
            permit: Some(permit),
            lane,
        }
    }

    pub(super) fn lane(&self) -> &Arc<SharedLane> {
        &self.lane
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut size = self.lane.size();
        let permit = self.permit.take();
        if size.surplus > 0 {
            size.surplus -= 1;
            if let Some(permit) = permit {
                permit.forget();
            }
        }
        // Otherwise the permit is returned here, while the lock prevents changes of the size.
    }
}
