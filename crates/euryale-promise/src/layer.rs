//! The layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use tokio::sync::Semaphore;
use tower_layer::Layer;

use crate::Republish;
use crate::run::Engine;
use crate::settings::Settings;
use crate::shared::SharedPromises;

/// Sets aside requests whose publisher waits for promises, and publishes them again. See the
/// [crate's documentation](crate).
///
/// Clones, and all services made of one layer, share its bounds and its shared promises.
#[derive(Clone)]
#[doc(alias = "IRetry")]
#[must_use]
pub struct RepublishLayer {
    settings: Settings,
    cache: usize,
    weight: usize,
    error_ttl: Duration,
}

/// Threads for promises that block, by default.
const THREADS: usize = 8;
const CACHE: usize = 1024;
const WEIGHT: usize = 64 << 20;

impl RepublishLayer {
    /// 8 passes and 16 promises for a request, 10 s for a promise and 60 s for a request; for all
    /// requests together 4,096 promises running and 8 that block, and 16,384 requests set aside.
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

    /// How many promises a request may ask for in all its passes. If it asks for more, the answer
    /// is 508, and the promises of that pass do not run. Default: 16.
    pub fn promises(mut self, promises: usize) -> Self {
        self.settings.promises = promises;
        self
    }

    /// The deadline of promises without one of their own, from the end of their pass. Default: 10
    /// s.
    pub fn promise_deadline(mut self, within: Duration) -> Self {
        self.settings.deadline = within;
        self
    }

    /// The deadline of all promises of a request together, from its arrival in this layer, with its
    /// waits for a connection. When it passes, the request is published once more, with
    /// [`Elapsed`](crate::PromiseError::Elapsed) for missing values; if that pass suspends again,
    /// it is answered 508. Default: 60 s.
    pub fn request_deadline(mut self, within: Duration) -> Self {
        self.settings.request_deadline = within;
        self
    }

    /// How many promises that do not block run at a time, for all requests together; others wait
    /// for a place. Default: 4,096.
    pub fn running(mut self, promises: usize) -> Self {
        self.settings.running = bound(promises);
        self
    }

    /// How many promises that block run at a time, each on a thread of the runtime's; at least 1.
    /// Default: 8.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.lane = self.settings.lane.resized(threads);
        self
    }

    /// Runs promises that block in this lane instead of one of the layer's own: for a lane that is
    /// resized later, or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.lane = lane;
        self
    }

    /// How many requests may be set aside at a time. One more is answered 503. Default: 16,384.
    pub fn suspended(mut self, requests: usize) -> Self {
        self.settings.suspended = bound(requests);
        self
    }

    /// How many shared values are kept; the one used longest ago goes first. Default: 1,024.
    pub fn shared_values(mut self, values: usize) -> Self {
        self.cache = values.max(1);
        self.anew()
    }

    /// How much memory shared values may take together, in bytes, as their keys
    /// [weigh](crate::Key::weighed) them; the one used longest ago goes first. A value that is
    /// heavier than that by itself goes to the requests that wait for it, and is not kept. Default:
    /// 64 MiB.
    ///
    /// The values of one request have no such limit, since a value can only be weighed when it is
    /// in memory already. Limit the input of a promise where it is read.
    pub fn shared_weight(mut self, bytes: usize) -> Self {
        self.weight = bytes;
        self.anew()
    }

    /// How long later requests get the error, panic or time-out of a shared promise before one
    /// tries again; never longer than they would get a value. Default: zero. Requests that wait for
    /// the promise when it fails share its error, and the next request tries again, because the
    /// failure may be particular to one request, such as a wrong credential or a shorter deadline.
    ///
    /// Set it if promises fail slowly, for example when a server is down, so that not every request
    /// waits for the failure. Regardless of this setting, a
    /// [stale](crate::Promises::stale_while_revalidate) value is refreshed at the earliest a second
    /// after a failure.
    pub fn error_ttl(mut self, ttl: Duration) -> Self {
        self.error_ttl = ttl;
        self.anew()
    }

    fn anew(mut self) -> Self {
        self.settings.shared =
            Arc::new(SharedPromises::new(self.cache, self.weight, self.error_ttl));
        self
    }

    /// Whether responses name each promise's key and its milliseconds in `Server-Timing` (W3C).
    /// Default: yes.
    pub fn server_timing(mut self, says: bool) -> Self {
        self.settings.server_timing = says;
        self
    }

    /// Whether all passes of a request with a safe method read the state of the database that the
    /// first one saw, where the database can (SQLite's feature `snapshot`). A pass that writes sees
    /// the present state, and so does one whose snapshot is gone; the ledger counts these. Default:
    /// each pass sees the current state.
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
