//! The counters of the layer.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Counters of promises and of the requests that wait for them, kept by
/// [`Republish`](crate::Republish).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PromiseBook {
    /// Publications that followed a suspension.
    pub passes: Counter,
    /// Promises that are running now.
    pub running: Gauge,
    /// Requests that are suspended now. They hold only memory.
    pub suspended: Gauge,
    /// Promises that were resolved with a value.
    pub ok: Counter,
    /// Promises that were resolved with an error.
    pub error: Counter,
    /// Promises that were resolved with a panic.
    pub panic: Counter,
    /// Promises that were resolved by their deadline.
    pub elapsed: Counter,
    /// Promises that were cancelled because no request waited for them any more.
    pub cancelled: Counter,
    /// Promises that were resolved with the value of another request's promise.
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
