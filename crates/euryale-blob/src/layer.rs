//! Settings.

use std::sync::Arc;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use tower_layer::Layer;

use crate::ServeBlob;
use crate::answer::Serving;

/// Serves blobs. See the [crate's documentation](crate).
#[derive(Clone, Debug)]
#[must_use]
pub struct ServeBlobLayer {
    lane: BlockingLane,
    ledger: Ledger,
}

/// The default number of threads that read. They wait for disks, which are faster with several
/// reads at a time than with one.
const READERS: usize = 32;

impl ServeBlobLayer {
    /// Creates a layer with 32 blocking threads that read, and a ledger of its own.
    pub fn new() -> Self {
        Self {
            lane: BlockingLane::new("blobs", READERS),
            ledger: Ledger::new(),
        }
    }

    /// The maximum number of blocking threads that read blobs at a time; at least 1. Clones of the
    /// layer share them. Default: 32.
    pub fn readers(mut self, threads: usize) -> Self {
        self.lane = self.lane.resized(threads);
        self
    }

    /// Reads blobs in this lane instead of one of the layer's own. Use it for a lane that is
    /// resized later or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.lane = lane;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.lane = self.lane.ledger(ledger.clone());
        self.ledger = ledger;
        self
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        Arc::new(Serving::new(self.lane.clone(), self.ledger.clone()))
    }
}

impl Default for ServeBlobLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ServeBlobLayer {
    type Service = ServeBlob<S>;

    fn layer(&self, inner: S) -> ServeBlob<S> {
        ServeBlob {
            inner,
            serving: self.serving(),
        }
    }
}
