//! Where a job's connection comes from.

use euryale_core::ledger::DropReason;
use euryale_core::{BoxError, Database, LeaseSource, Ledger, Phase, Task};
use tokio::time::Instant;

use crate::job::{Job, drop_quietly};
use crate::pool::{Seat, Shared};

/// What a lease is lent from, during one job.
pub(super) struct Source<'w, D: Database> {
    pub(super) shared: &'w Shared<D>,
    pub(super) job: &'w dyn Job<D>,
    pub(super) opened: &'w mut Instant,
    pub(super) seat: &'w Seat,
}

impl<D: Database> LeaseSource<D> for Source<'_, D> {
    fn database(&self) -> &D {
        &self.shared.database
    }

    fn checkout(&mut self) -> Result<D::Connection, BoxError> {
        let connections = &self.shared.ledger.connections;
        while let Some(idle) = self.shared.warmest() {
            connections.idle.add(-1);
            if self.shared.is_too_old(&idle, Instant::now()) {
                connections.dropped.add(DropReason::Expired, 1);
                drop_quietly(idle.connection);
                continue;
            }
            *self.opened = idle.opened;
            connections.in_use.add(1);
            return Ok(idle.connection);
        }
        let connection = self.shared.database.connect()?;
        connections.opened.add(1);
        connections.in_use.add(1);
        *self.opened = Instant::now();
        Ok(connection)
    }

    fn discard(&mut self, connection: D::Connection, reason: DropReason) {
        let connections = &self.shared.ledger.connections;
        connections.in_use.add(-1);
        connections.dropped.add(reason, 1);
        drop_quietly(connection);
    }

    fn client_is_gone(&self) -> bool {
        self.job.is_abandoned()
    }

    fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    fn enter(&self, phase: Phase) -> Phase {
        self.seat.enter(phase)
    }

    fn spawn(&self, task: Task) {
        // A worker has a runtime for as long as it lives.
        self.shared.tasks.spawn(task);
    }
}
