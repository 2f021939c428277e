//! The counters of a bus.

use euryale_core::ledger::{Book, Counter, Figures};

/// The counters of a [`HostBus`](crate::HostBus), in its ledger.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BusBook {
    /// Messages that this process has published.
    pub published: Counter,
    /// Messages of other processes.
    pub received: Counter,
    /// Gaps that the hub has reported, one for each connection to it among them.
    pub gaps: Counter,
    /// Connections to a hub that were lost.
    pub lost: Counter,
    /// Times that this process became the hub.
    pub taken_over: Counter,
}

impl Book for BusBook {
    fn figures(&self, figures: &mut Figures) {
        for (name, help, counter) in [
            (
                "euryale_bus_published_total",
                "Messages that this process has published.",
                &self.published,
            ),
            (
                "euryale_bus_received_total",
                "Messages of other processes.",
                &self.received,
            ),
            (
                "euryale_bus_gaps_total",
                "Times that messages may have been missed, as the hub has reported.",
                &self.gaps,
            ),
            (
                "euryale_bus_lost_total",
                "Connections to a hub that were lost.",
                &self.lost,
            ),
            (
                "euryale_bus_taken_over_total",
                "Times that this process became the hub.",
                &self.taken_over,
            ),
        ] {
            figures.counter(name, help, counter);
        }
    }
}
