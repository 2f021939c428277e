//! Transactions that were stopped before their commit, by reason.

use super::Counter;
use crate::transaction::Stopped;

/// Transactions that were stopped before their commit, by reason.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Stops {
    /// Transactions whose deadline passed.
    pub deadline: Counter,
    /// Transactions that only read and whose client disconnected.
    pub client_gone: Counter,
    /// Transactions of a closing pool whose time-out passed.
    pub drain: Counter,
    /// Transactions in which the database itself stopped a statement after a time-out.
    pub statement: Counter,
}

impl Stops {
    pub(crate) fn of(&self, why: Stopped) -> &Counter {
        match why {
            Stopped::Deadline => &self.deadline,
            Stopped::ClientGone => &self.client_gone,
            Stopped::Drain => &self.drain,
        }
    }
}
