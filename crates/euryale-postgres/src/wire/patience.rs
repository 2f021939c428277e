//! How long a worker waits for an answer, and the cancels that it sends while it waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::transaction::Interrupt;

use crate::cancel::Cancel;

/// The interval in which a wait checks whether its transaction was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// The interval in which the statement of a stopped transaction is cancelled again.
const AGAIN: Duration = Duration::from_millis(50);

/// The time that the server has to answer after its deadline, or after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// The time limit for an answer.
pub(super) struct Patience<'a> {
    until: Option<Instant>,
    stopped: Option<Stop>,
    is_current: &'a dyn Fn() -> bool,
}

/// The transaction was stopped.
struct Stop {
    until: Instant,
    /// When its statement is cancelled again: the server ignores a cancel that arrives before its
    /// statement.
    again: Instant,
}

impl<'a> Patience<'a> {
    /// The limit for a request with a deadline, or without one.
    pub(super) fn new(until: Option<Instant>) -> Self {
        Self {
            until: until.map(|until| until + GRACE),
            stopped: None,
            is_current: &|| true,
        }
    }

    /// The limit for a commit: none, as long as the server is the primary. A former primary may
    /// wait forever for the standby that took its place.
    pub(super) fn of_commit(is_current: &'a dyn Fn() -> bool) -> Self {
        Self {
            is_current,
            ..Self::new(None)
        }
    }

    /// Returns whether the worker goes on waiting. Cancels the statement of a stopped transaction.
    pub(super) fn lasts(&mut self, interrupt: &Interrupt, cancel: &Arc<Cancel>) -> bool {
        let now = Instant::now();
        if self.until.is_none() && !(self.is_current)() {
            self.until = Some(now + GRACE);
        }
        if self.stopped.is_none() && interrupt.is_set() {
            self.stopped = Some(Stop {
                until: now + GRACE,
                again: now,
            });
        }
        if let Some(stop) = &mut self.stopped
            && now >= stop.again
        {
            cancel.send_again();
            stop.again = now + AGAIN;
        }
        self.end().is_none_or(|end| now < end)
    }

    fn end(&self) -> Option<Instant> {
        let stopped = self.stopped.as_ref().map(|stop| stop.until);
        [self.until, stopped].into_iter().flatten().min()
    }

    /// The time of the next call of [`lasts`](Self::lasts).
    pub(super) fn next_look(&self) -> Instant {
        let again = self.stopped.as_ref().map(|stop| stop.again);
        let look = again.unwrap_or_else(|| Instant::now() + LOOK);
        self.end().map_or(look, |end| look.min(end))
    }
}
