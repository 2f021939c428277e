//! How much of an early answer may wait for its client.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::spill::SpillStore;
use super::window::EarlyWindow;
use crate::threads::BlockingLane;

/// The size of a window for which there is no memory in the budget, in bytes.
const UNCHARGED: usize = 4 << 10;

/// How much of an early answer may wait for its client, and for how long.
///
/// An answer that its client reads more slowly than the publisher writes it first fills a window in
/// memory, then a file, if there is a [store](Self::spill) for files, up to a bound. Then the
/// publisher is blocked in a write, and holds its worker until the client has read, or until the
/// deadline of the publication.
#[derive(Clone)]
#[must_use]
pub struct EarlyAnswers {
    window: usize,
    bound: u64,
    stall: Duration,
    store: Option<Arc<dyn SpillStore>>,
    pub(super) lane: Option<BlockingLane>,
}

impl EarlyAnswers {
    /// A window of 64 KiB, and no files.
    pub fn new() -> Self {
        Self {
            window: 64 << 10,
            bound: 1 << 30,
            stall: Duration::from_secs(60),
            store: None,
            lane: None,
        }
    }

    /// Sets the number of bytes of an answer that wait in memory, at least 2. Default: 64 KiB. The
    /// [store](Self::spill) may charge them to a budget.
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// Keeps what does not fit into the window in files of this store. Default: there are no files,
    /// and a publisher is never more than a window ahead of its client.
    pub fn spill(mut self, store: impl SpillStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the maximum length of one answer's file, in bytes. Default: 1 GiB.
    pub fn bound(mut self, bytes: u64) -> Self {
        self.bound = bytes;
        self
    }

    /// Sets how long the client may read nothing while the publisher is blocked. Then the body
    /// breaks off. Default: 60 s.
    pub fn stall(mut self, time: Duration) -> Self {
        self.stall = time;
        self
    }

    /// Sets the lane whose threads read the files. Default: that of bodies without a layer, which
    /// has 128 threads for the whole process.
    pub fn lane(mut self, lane: BlockingLane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// The window of a publication with this deadline.
    pub(super) fn open(&self, deadline: Option<Instant>) -> EarlyWindow {
        let Some(store) = self.store.clone() else {
            return EarlyWindow::new(self.window, self.stall, deadline);
        };
        let charge = store.charge_window(self.window);
        let size = match charge {
            Some(_) => self.window,
            None => self.window.min(UNCHARGED),
        };
        EarlyWindow::new(size, self.stall, deadline).with_files(store, self.bound, charge)
    }
}

impl Default for EarlyAnswers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EarlyAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyAnswers")
            .field("window", &self.window)
            .field("bound", &self.bound)
            .field("stall", &self.stall)
            .field("spills", &self.store.is_some())
            .finish_non_exhaustive()
    }
}
