//! The layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use tokio::sync::Semaphore;
use tower_layer::Layer;

use crate::AwaitDeferred;
use crate::settings::Settings;

/// Waits for deferred responses. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct DeferredLayer {
    pub(crate) settings: Settings,
}

/// The number of blocking responses that may wait for a thread, by default.
const WAITING: usize = 1024;

/// The number of bodies that may wait for a thread, by default. Each holds the data that it will be
/// written from.
const WRITERS_WAITING: usize = 64;

impl DeferredLayer {
    /// Creates a layer with these limits: 10,000 async and 128 blocking responses at a time, each
    /// within 60 s, and 64 bodies that are written by synchronous code, with windows of 64 KiB.
    /// 1,024 blocking responses and 64 bodies may wait for a thread. Clones share the limits.
    pub fn new() -> Self {
        Self {
            settings: Settings {
                futures: places(10_000),
                blocking: BlockingLane::new("deferred", 128).max_waiting(WAITING),
                writers: BlockingLane::new("writers", 64).max_waiting(WRITERS_WAITING),
                deadline: Some(Duration::from_secs(60)),
                depth: 8,
                window: 64 << 10,
                stall: Duration::from_secs(60),
                ledger: Ledger::new(),
                book: Arc::default(),
            },
        }
    }

    /// The maximum number of async responses that are computed at a time; at least 1. Each costs
    /// only its memory. Default: 10,000.
    pub fn futures(mut self, most: usize) -> Self {
        self.settings.futures = places(most);
        self
    }

    /// The maximum number of blocking responses that are computed at a time, each in a thread; at
    /// least 1. Default: 128.
    pub fn blocking(mut self, threads: usize) -> Self {
        self.settings.blocking = self.settings.blocking.resized(threads);
        self
    }

    /// The maximum number of bodies that are written by synchronous code, or read from iterators,
    /// at a time, which is at least 1. Each holds a thread for as long as its client reads.
    /// Default: 64.
    pub fn writers(mut self, threads: usize) -> Self {
        self.settings.writers = self.settings.writers.resized(threads);
        self
    }

    /// The maximum number of blocking responses that wait for a thread. They have been committed by
    /// then and hold nothing but their memory. Further ones are refused before their commit.
    /// Default: 1,024.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.settings.blocking = self.settings.blocking.max_waiting(most);
        self
    }

    /// The maximum number of bodies that wait for one of the [`writers`](Self::writers). A waiting
    /// body has been committed, and holds everything that it will be written from, such as open
    /// files and the rows that were read for it. Further ones are refused before their commit.
    /// Default: 64.
    pub fn writers_waiting(mut self, most: usize) -> Self {
        self.settings.writers = self.settings.writers.max_waiting(most);
        self
    }

    /// Computes blocking responses in this lane instead of one of the layer's own: for a lane that
    /// is resized later, or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_blocking_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.blocking = lane;
        self
    }

    /// Writes bodies in this lane instead of one of the layer's own; compare
    /// [`with_blocking_lane`](Self::with_blocking_lane).
    pub fn with_writers_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.writers = lane;
        self
    }

    /// The maximum time to compute a response, including its wait for a thread and everything that
    /// it defers to, and the maximum time that a body waits for a thread to write it. Sending a
    /// body does not count. Default: 60 s.
    pub fn deadline(mut self, within: impl Into<Option<Duration>>) -> Self {
        self.settings.deadline = within.into();
        self
    }

    /// How often a computed response may be deferred again. Default: 8.
    pub fn depth(mut self, most: u32) -> Self {
        self.settings.depth = most;
        self
    }

    /// The maximum number of bytes that synchronous code may write ahead of its client; at least 1.
    /// Default: 64 KiB.
    pub fn window(mut self, bytes: usize) -> Self {
        self.settings.window = bytes;
        self
    }

    /// The maximum time that a client may read nothing of a body that synchronous code writes.
    /// Default: 60 s.
    pub fn stall(mut self, time: Duration) -> Self {
        self.settings.stall = time;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.blocking = self.settings.blocking.ledger(ledger.clone());
        self.settings.writers = self.settings.writers.ledger(ledger.clone());
        self.settings.book = ledger.of();
        self.settings.ledger = ledger;
        self
    }
}

fn places(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)))
}

impl Default for DeferredLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DeferredLayer {
    type Service = AwaitDeferred<S>;

    fn layer(&self, inner: S) -> AwaitDeferred<S> {
        AwaitDeferred::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for DeferredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLayer")
            .field("futures", &self.settings.futures.available_permits())
            .field("blocking", &self.settings.blocking.threads())
            .field("writers", &self.settings.writers.threads())
            .field("deadline", &self.settings.deadline)
            .field("depth", &self.settings.depth)
            .field("window", &self.settings.window)
            .field("stall", &self.settings.stall)
            .finish_non_exhaustive()
    }
}
