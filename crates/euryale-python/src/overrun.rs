//! Notices calls of the application that have run for too long.
//!
//! Nothing stops such a call: Python has no safe way to do that. Its stack is written to the log,
//! so that somebody can find out where it hangs, and balancers learn when no worker is left.

use std::time::Duration;

use crate::at_work::{AtWork, RunningCall};
use crate::main_thread::{MainThread, Order};

/// The longest time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// The running calls, and the time that each may take.
#[derive(Clone)]
pub(crate) struct Overrun {
    at_work: AtWork,
    limit: Duration,
}

impl Overrun {
    pub(crate) fn new(at_work: &AtWork, limit: Duration) -> Self {
        Self {
            at_work: at_work.clone(),
            limit,
        }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns all running calls.
    pub(crate) fn running(&self) -> Vec<RunningCall> {
        self.at_work.list()
    }

    /// Returns the number of calls that have run for too long.
    pub(crate) fn count(&self) -> usize {
        self.at_work.count_overdue(self.limit)
    }

    /// Orders the stacks of calls that have run for too long, once for each call. Only the
    /// interpreter can write them.
    pub(crate) async fn keep_looking(self, main: MainThread) {
        let every = EVERY.min(self.limit / 4).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(every).await;
            if self.at_work.notices_overdue(self.limit) {
                main.tell(Order::Stacks, 1);
            }
        }
    }
}
