//! Transactions that were stopped before their commit, by reason.

use super::Counter;
use crate::transaction::Stopped;

/// Transactions that were stopped before their commit, by reason.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Stops {
    /// Their deadline passed.
    pub deadline: Counter,
    /// They only read, and their client disconnected.
    pub client_gone: Counter,
    /// The pool was closing, and its time-out passed.
    pub drain: Counter,
    /// The database stopped a statement by a time-out of its own.
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
