//! The counters of a diesel database.

use euryale_core::ledger::{Book, Counter, Figures};

/// Counters of a [`Sqlite`](crate::Sqlite) in its ledger.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DieselBook {
    /// Connections that were opened.
    pub opened: Counter,
    /// Transactions that did not begin, because they waited in vain for another writer.
    pub not_begun: Counter,
}

impl Book for DieselBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Connections to SQLite that were opened.";
        figures.counter(
            "euryale_diesel_connections_opened_total",
            help,
            &self.opened,
        );
        let help = "Transactions that waited in vain for another writer and did not begin.";
        figures.counter("euryale_diesel_not_begun_total", help, &self.not_begun);
    }
}
