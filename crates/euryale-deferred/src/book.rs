//! What the layer counts.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Counters of work on answers after their transactions, kept by
/// [`AwaitDeferred`](crate::AwaitDeferred).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeferredBook {
    /// Responses that are being computed now. A blocking one counts until its thread is free, even
    /// if its client has left.
    pub running: Gauge,
    /// Bodies that synchronous code is writing now or is about to write.
    pub writers: Gauge,
    /// Responses that were computed.
    pub ok: Counter,
    /// Responses that failed before their head was sent.
    pub error: Counter,
    /// Responses whose computation panicked.
    pub panic: Counter,
    /// Responses that took longer than the deadline.
    pub elapsed: Counter,
    /// Responses that were abandoned because the client left.
    pub cancelled: Counter,
    /// Responses that were refused because too many of their kind were running.
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
