//! Lends a connection without a pool.

use std::sync::Arc;
use std::time::Instant;

use euryale_core::transaction::{DropReason, Lease, LeaseSource, Switch};
use euryale_core::{BoxError, Database, Ledger};

/// A pool of one connection, in the caller's thread, for tests of leases.
#[derive(Debug)]
pub struct Lender<D: Database> {
    source: Source<D>,
    connection: Option<D::Connection>,
}

#[derive(Debug)]
struct Source<D> {
    database: D,
    ledger: Ledger,
    client_is_gone: bool,
    switch: Arc<Switch>,
    deadline: Option<Instant>,
    dropped: Vec<DropReason>,
}

impl<D: Database> Lender<D> {
    /// Lends connections of `database`.
    pub fn new(database: D) -> Self {
        let source = Source {
            database,
            ledger: Ledger::new(),
            client_is_gone: false,
            switch: Arc::new(Switch::new(true)),
            deadline: None,
            dropped: Vec::new(),
        };
        Self {
            source,
            connection: None,
        }
    }

    /// From now on the client is gone.
    pub fn client_is_gone(&mut self) {
        self.source.client_is_gone = true;
    }

    /// The switch of the current job, which ends with its client.
    pub fn switch(&self) -> Arc<Switch> {
        Arc::clone(&self.source.switch)
    }

    /// Begins the next job, which is not stopped and has this deadline.
    pub fn next_job(&mut self, deadline: Option<Instant>) {
        self.source.switch = Arc::new(Switch::new(true));
        self.source.deadline = deadline;
    }

    /// The ledger in which it counts.
    pub fn ledger(&self) -> &Ledger {
        &self.source.ledger
    }

    /// How many connections were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> usize {
        let all = &self.source.dropped;
        all.iter().filter(|dropped| **dropped == reason).count()
    }

    /// Returns whether it keeps an open connection.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Lends.
    pub fn lease(&mut self) -> Lease<'_, D> {
        Lease::new(&mut self.source, &mut self.connection)
    }
}

impl<D: Database> LeaseSource<D> for Source<D> {
    fn database(&self) -> &D {
        &self.database
    }

    fn checkout(&mut self) -> Result<D::Connection, BoxError> {
        self.database.connect()
    }

    fn discard(&mut self, connection: D::Connection, reason: DropReason) {
        self.dropped.push(reason);
        drop(connection);
    }

    fn client_is_gone(&self) -> bool {
        self.client_is_gone
    }

    fn switch(&self) -> Option<&Switch> {
        Some(&self.switch)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
