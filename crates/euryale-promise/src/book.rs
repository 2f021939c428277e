//! The counters of the layer.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Promises, and the requests that wait for them, counted by [`Republish`](crate::Republish).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PromiseBook {
    /// Publications that followed a suspension.
    pub passes: Counter,
    /// Promises that run now.
    pub running: Gauge,
    /// Requests set aside now: they hold memory and nothing else.
    pub suspended: Gauge,
    /// Resolved with a value.
    pub ok: Counter,
    /// Resolved with an error.
    pub error: Counter,
    /// Resolved with a panic.
    pub panic: Counter,
    /// Resolved by their deadline.
    pub elapsed: Counter,
    /// Never resolved, because nobody waited any more.
    pub cancelled: Counter,
    /// Resolved with a value that another request asked for.
    pub shared: Counter,
}

impl Book for PromiseBook {
    fn figures(&self, figures: &mut Figures) {
        figures.counter(
            "euryale_promise_passes_total",
            "Publications that followed a suspension.",
            &self.passes,
        );
        figures.gauge(
            "euryale_promises_running",
            "Promises whose code runs.",
            &self.running,
        );
        let outcomes = [
            ("ok", &self.ok),
            ("error", &self.error),
            ("panic", &self.panic),
            ("elapsed", &self.elapsed),
            ("cancelled", &self.cancelled),
            ("shared", &self.shared),
        ];
        figures.counters(
            "euryale_promises_total",
            "Promises that ended.",
            "outcome",
            outcomes,
        );
        figures.gauge(
            "euryale_requests_suspended",
            "Requests set aside until their promises resolve.",
            &self.suspended,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("promises running", &self.running);
        unsettled.gauge("requests suspended", &self.suspended);
    }
}
