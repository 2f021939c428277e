//! The source of a job's connection.

use std::cell::Cell;

use euryale_core::transaction::{DropReason, LeaseSource, Phase, Switch, Task};
use euryale_core::{BoxError, Database, Ledger};
use tokio::time::Instant;

use super::accounts::Accounts;
use crate::closing::drop_quietly;
use crate::job::Job;
use crate::state::SharedPool;
use crate::state::reach::Reach;
use crate::state::seats::Seat;

/// The source of a lease's connection, during one job.
pub(super) struct Source<'w, D: Database> {
    pub(super) shared: &'w SharedPool<D>,
    pub(super) job: &'w dyn Job<D>,
    pub(super) accounts: Accounts,
    pub(super) opened: &'w mut Instant,
    pub(super) seat: &'w Seat,
    pub(super) until: Option<Instant>,
    pub(super) contact: Contact<'w>,
}

/// Reports whether a job could reach the database.
///
/// A job that reached the database reports this at its end, and only if no other job has failed
/// since, because it may have begun long before the database went down.
pub(super) struct Contact<'w> {
    reach: &'w Reach,
    /// The number of failures when this job reached the database.
    reached: Cell<Option<u64>>,
}

impl<'w> Contact<'w> {
    pub(super) fn new(reach: &'w Reach) -> Self {
        Self {
            reach,
            reached: Cell::new(None),
        }
    }

    fn reached(&self) {
        self.reached.set(Some(self.reach.failures()));
    }

    fn failed(&self) {
        self.reached.set(None);
        self.reach.failed();
    }

    /// Reports the result at the end of the job.
    pub(super) fn end(&self) {
        if let Some(failures) = self.reached.get() {
            self.reach.reached(failures);
        }
    }
}

impl<D: Database> LeaseSource<D> for Source<'_, D> {
    fn database(&self) -> &D {
        &self.shared.database
    }

    fn checkout(&mut self) -> Result<D::Connection, BoxError> {
        let connections = &self.shared.book.connections;
        while let Some(mut idle) = self.shared.take_warmest() {
            connections.idle.add(-1);
            if self.shared.ages.are_over(&idle, Instant::now()) {
                connections.dropped.add(DropReason::Expired, 1);
                drop_quietly(idle.connection);
                continue;
            }
            // The server may have closed the connection since.
            if !self.shared.is_reusable(&mut idle.connection) {
                connections.dropped.add(DropReason::NotReusable, 1);
                drop_quietly(idle.connection);
                continue;
            }
            *self.opened = idle.opened;
            self.accounts.connected();
            return Ok(idle.connection);
        }
        self.open()
    }

    fn open(&mut self) -> Result<D::Connection, BoxError> {
        let connections = &self.shared.book.connections;
        let connection = self
            .shared
            .database
            .connect()
            .inspect_err(|_| self.contact.failed())?;
        self.contact.reached();
        connections.opened.add(1);
        self.accounts.connected();
        *self.opened = Instant::now();
        Ok(connection)
    }

    fn discard(&mut self, connection: D::Connection, reason: DropReason) {
        if matches!(reason, DropReason::Begin | DropReason::Disconnected) {
            self.contact.failed();
        }
        self.accounts.disconnected();
        self.shared.book.connections.dropped.add(reason, 1);
        drop_quietly(connection);
    }

    fn client_is_gone(&self) -> bool {
        self.job.is_abandoned()
    }

    fn switch(&self) -> Option<&Switch> {
        Some(self.job.switch())
    }

    fn deadline(&self) -> Option<std::time::Instant> {
        self.until.map(Instant::into_std)
    }

    fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    fn enter(&self, phase: Phase) -> Phase {
        let before = self.seat.enter(phase);
        // A transaction that could not begin returns its connection next, and counts as a failure.
        if before == Phase::Beginning {
            self.contact.reached();
        }
        before
    }

    fn spawn(&self, task: Task) {
        // A worker always runs inside a runtime.
        self.shared.tasks.spawn(task);
    }
}
