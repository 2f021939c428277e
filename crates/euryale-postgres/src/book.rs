//! The counters of a PostgreSQL database.

use euryale_core::ledger::{Book, Counter, Figures};

/// The counters of a [`Postgres`](crate::Postgres), in its ledger.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PostgresBook {
    /// Connections that were opened.
    pub opened: Counter,
    /// Requests whose answer a worker waited for: to prepare or run a statement, and to begin,
    /// commit or roll back a transaction. Not counted are connecting, settling a commit, the check
    /// of a connection after statements outside of a transaction, and requests whose answer is not
    /// awaited.
    pub round_trips: Counter,
    /// Statements that were prepared, because the connection did not have them.
    pub prepared: Counter,
    /// Statements that were cancelled on another connection.
    pub cancelled: Counter,
    /// Cancels that could not be sent.
    pub not_cancelled: Counter,
    /// Writers that found the server read-only, after which all connections to that server are
    /// replaced.
    pub demoted: Counter,
}

impl Book for PostgresBook {
    fn figures(&self, figures: &mut Figures) {
        for (name, help, counter) in [
            (
                "euryale_postgres_connections_opened_total",
                "Connections to PostgreSQL that were opened.",
                &self.opened,
            ),
            (
                "euryale_postgres_round_trips_total",
                "Requests to PostgreSQL whose answer a worker waited for.",
                &self.round_trips,
            ),
            (
                "euryale_postgres_statements_prepared_total",
                "Statements that a connection did not have and prepared.",
                &self.prepared,
            ),
            (
                "euryale_postgres_cancels_total",
                "Statements that were cancelled.",
                &self.cancelled,
            ),
            (
                "euryale_postgres_failed_cancels_total",
                "Cancels that could not be sent to the server.",
                &self.not_cancelled,
            ),
            (
                "euryale_postgres_demotions_total",
                "Writers that found their server read-only.",
                &self.demoted,
            ),
        ] {
            figures.counter(name, help, counter);
        }
    }
}
