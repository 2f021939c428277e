//! What the layer counts.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Work on answers after their transactions, counted by [`AwaitDeferred`](crate::AwaitDeferred).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeferredBook {
    /// Responses being computed now. A blocking one counts until its thread is free, whether or not
    /// its client waits.
    pub running: Gauge,
    /// Bodies being written by synchronous code now, or about to be.
    pub writers: Gauge,
    /// Computed.
    pub ok: Counter,
    /// Failed before the head was sent.
    pub error: Counter,
    /// Panicked.
    pub panic: Counter,
    /// Took longer than the deadline.
    pub elapsed: Counter,
    /// Abandoned because the client left.
    pub cancelled: Counter,
    /// Refused: too many of their kind were running.
    pub full: Counter,
}

impl Book for DeferredBook {
    fn figures(&self, figures: &mut Figures) {
        figures.peaked(
            "euryale_deferred_running",
            "Deferred responses being computed.",
            &self.running,
        );
        figures.peaked(
            "euryale_writers_running",
            "Bodies written by synchronous code.",
            &self.writers,
        );
        let ended = [
            ("ok", &self.ok),
            ("error", &self.error),
            ("panic", &self.panic),
            ("elapsed", &self.elapsed),
            ("cancelled", &self.cancelled),
            ("full", &self.full),
        ];
        figures.counters(
            "euryale_deferred_total",
            "Deferred responses that ended.",
            "outcome",
            ended,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("deferred responses running", &self.running);
        unsettled.gauge("body writers running", &self.writers);
    }
}
