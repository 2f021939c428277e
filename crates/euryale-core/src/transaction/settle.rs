//! Settles a commit whose answer was lost, by asking the database on another connection.

use std::time::{Duration, Instant};

use super::Transaction;
use crate::error::{BoxError, PanicMessage};
use crate::transaction::{Database, Doubt, DropReason, Settled};

/// The maximum time of settling: a server that has crashed takes seconds to recover. The worker and
/// its place in the pool are held during this time, but only by a transaction that had sent its
/// commit.
const WITHIN: Duration = Duration::from_secs(30);

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

impl<D: Database> Transaction<'_, D> {
    /// Finds out whether the commit that was sent on the lease's connection took place. Drops the
    /// connection.
    pub(super) fn settle(&mut self) -> Settled {
        let doubt = PanicMessage::catch(|| self.lease.with(D::doubt));
        self.lease.discard(DropReason::InDoubt);
        let Ok(Some(Some(doubt))) = doubt else {
            return Settled::Unknown;
        };
        let until = Instant::now() + WITHIN;
        let mut pause = PAUSES.0;
        let mut is_new = false;
        loop {
            // Idle connections may all lead to the server that was lost, and each of them takes
            // seconds to find out. But the server may also have no room for a new one.
            is_new = !is_new;
            let error = match PanicMessage::catch(|| self.ask(&doubt, is_new)) {
                Ok(Ok(settled)) => {
                    let counters = &self.lease.ledger().transactions;
                    match settled {
                        Settled::Committed => counters.settled_committed.add(1),
                        Settled::Aborted => counters.settled_aborted.add(1),
                        Settled::Unknown => {}
                    }
                    return settled;
                }
                Ok(Err(error)) => error,
                Err(panic) => Box::new(panic),
            };
            self.lease.discard(DropReason::Disconnected);
            let now = Instant::now();
            if now >= until {
                tracing::error!(
                    error = &*error as &dyn std::error::Error,
                    within = ?WITHIN,
                    "the database could not be asked for the outcome of a commit"
                );
                return Settled::Unknown;
            }
            wait_until(until.min(now + pause));
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// Asks on a new connection if `is_new`; otherwise an idle one may be used.
    fn ask(&mut self, doubt: &Doubt, is_new: bool) -> Result<Settled, BoxError> {
        if is_new {
            self.lease.new_connection()?;
        } else {
            self.lease.connection()?;
        }
        let asked = self
            .lease
            .with(|database, connection| database.settle(connection, doubt));
        asked.unwrap_or(Ok(Settled::Unknown))
    }
}

/// Waits until this time, which a worker may do. Its thread may be unparked for another reason.
fn wait_until(until: Instant) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}
