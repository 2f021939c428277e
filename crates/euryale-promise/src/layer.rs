//! The layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::bus::Bus;
use euryale_core::threads::BlockingLane;
use tokio::sync::Semaphore;
use tower_layer::Layer;

use crate::run::Engine;
use crate::settings::Settings;
use crate::shared::SharedPromises;
use crate::{Changes, Republish};

/// Suspends requests whose publisher waits for promises, and publishes them again. See the [crate's
/// documentation](crate).
///
/// All clones of a layer and all services made from them share its limits and its shared promises.
#[derive(Clone)]
#[doc(alias = "IRetry")]
#[must_use]
pub struct RepublishLayer {
    settings: Settings,
    cache: usize,
    weight: usize,
    error_ttl: Duration,
}

/// The default number of threads for promises that block.
const THREADS: usize = 8;
const CACHE: usize = 1024;
const WEIGHT: usize = 64 << 20;

impl RepublishLayer {
    /// Creates a layer with these limits: 8 passes and 16 promises for a request, 10 s for a
    /// promise and 60 s for a request; for all requests together 4,096 running promises, 8 blocking
    /// promises, and 16,384 suspended requests.
    pub fn new() -> Self {
        Self {
            settings: Settings {
                passes: 8,
                promises: 16,
                deadline: Duration::from_secs(10),
                request_deadline: Duration::from_secs(60),
                running: bound(4096),
                lane: BlockingLane::new("promises", THREADS),
                suspended: bound(16_384),
                shared: Arc::new(SharedPromises::new(CACHE, WEIGHT, Duration::ZERO)),
                server_timing: true,
                pin_snapshots: false,
                book: Arc::default(),
            },
            cache: CACHE,
            weight: WEIGHT,
            error_ttl: Duration::ZERO,
        }
    }

    /// The maximum number of passes of a request; at least 1. If the last one suspends, the answer
    /// is 508. Default: 8.
    pub fn passes(mut self, passes: u32) -> Self {
        self.settings.passes = passes.max(1);
        self
    }

    /// The maximum number of promises of a request in all its passes. If it asks for more, the
    /// answer is 508, and the promises of that pass do not run. Default: 16.
    pub fn promises(mut self, promises: usize) -> Self {
        self.settings.promises = promises;
        self
    }

    /// The default deadline of a promise, counted from the end of its pass. Default: 10 s.
    pub fn promise_deadline(mut self, within: Duration) -> Self {
        self.settings.deadline = within;
        self
    }

    /// The deadline of all promises of a request together, counted from its arrival in this layer
    /// and including its waits for a connection. When it passes, the request is published once
    /// more, with [`Elapsed`](crate::PromiseError::Elapsed) for missing values; if that pass
    /// suspends again, the answer is 508. Default: 60 s.
    pub fn request_deadline(mut self, within: Duration) -> Self {
        self.settings.request_deadline = within;
        self
    }

    /// The maximum number of promises that do not block and run at a time, for all requests
    /// together. Further ones wait. Default: 4,096.
    pub fn running(mut self, promises: usize) -> Self {
        self.settings.running = bound(promises);
        self
    }

    /// The maximum number of blocking promises that run at a time, each on a blocking thread of the
    /// runtime; at least 1. Default: 8.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.lane = self.settings.lane.resized(threads);
        self
    }

    /// Runs blocking promises in this lane instead of one of the layer's own. Use it for a lane
    /// that is resized later or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.lane = lane;
        self
    }

    /// The maximum number of requests that are suspended at a time. Further ones are answered 503.
    /// Default: 16,384.
    pub fn suspended(mut self, requests: usize) -> Self {
        self.settings.suspended = bound(requests);
        self
    }

    /// The maximum number of shared values that are kept. The least recently used one is dropped
    /// first. Default: 1,024.
    pub fn shared_values(mut self, values: usize) -> Self {
        self.cache = values.max(1);
        self.anew()
    }

    /// The maximum memory of all shared values together, in bytes, as
    /// [weighed](crate::Key::weighed) by their keys. The least recently used value is dropped
    /// first. A value that exceeds the limit by itself is passed to the requests that wait for it,
    /// and is not kept. Default: 64 MiB.
    ///
    /// The values of one request have no such limit, because a value can only be weighed when it is
    /// already in memory. Limit the input of a promise where it is read.
    pub fn shared_weight(mut self, bytes: usize) -> Self {
        self.weight = bytes;
        self.anew()
    }

    /// How long later requests get the error, panic or time-out of a shared promise before one of
    /// them tries again; never longer than they would get a value. Default: zero. Requests that are
    /// waiting for the promise when it fails share its error, and the next request tries again,
    /// because the failure may be specific to one request, such as a wrong credential or a shorter
    /// deadline.
    ///
    /// Set it if promises fail slowly, for example when a server is down, so that not every request
    /// waits for the failure. Regardless of this setting, a
    /// [stale](crate::Promises::stale_while_revalidate) value is refreshed at the earliest a second
    /// after a failure.
    pub fn error_ttl(mut self, ttl: Duration) -> Self {
        self.error_ttl = ttl;
        self.anew()
    }

    /// Returns a handle that drops shared values when something changes that they depend on, also
    /// if another process has changed it. Call it after the settings of shared values, because
    /// each of them makes a new cache.
    pub fn changes(&self, bus: Arc<dyn Bus>) -> Changes {
        Changes::new(Arc::clone(&self.settings.shared), bus)
    }

    fn anew(mut self) -> Self {
        self.settings.shared =
            Arc::new(SharedPromises::new(self.cache, self.weight, self.error_ttl));
        self
    }

    /// Sets whether responses report each promise's key and its milliseconds in `Server-Timing`
    /// (W3C). Default: yes.
    pub fn server_timing(mut self, says: bool) -> Self {
        self.settings.server_timing = says;
        self
    }

    /// Sets whether all passes of a request with a safe method read the state of the database that
    /// the first pass saw, if the database supports this (SQLite with the feature `snapshot`). A
    /// pass that writes sees the current state, and so does a pass whose snapshot is gone; the
    /// ledger counts these. Default: each pass sees the current state.
    pub fn pin_snapshots(mut self, pin: bool) -> Self {
        self.settings.pin_snapshots = pin;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.book = ledger.of();
        self.settings.lane = self.settings.lane.ledger(ledger);
        self
    }
}

fn bound(n: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)))
}

impl Default for RepublishLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RepublishLayer {
    type Service = Republish<S>;

    fn layer(&self, inner: S) -> Republish<S> {
        Republish {
            inner,
            engine: Arc::new(Engine {
                settings: self.settings.clone(),
            }),
        }
    }
}

impl fmt::Debug for RepublishLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepublishLayer")
            .field("passes", &self.settings.passes)
            .field("promises", &self.settings.promises)
            .field("promise_deadline", &self.settings.deadline)
            .field("request_deadline", &self.settings.request_deadline)
            .field("threads", &self.settings.lane.threads())
            .finish_non_exhaustive()
    }
}
