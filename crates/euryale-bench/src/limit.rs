//! The time that a measurement may take.

use std::time::{Duration, Instant};

/// A time after which no run begins.
pub(crate) struct TimeLimit {
    began: Instant,
    limit: Option<Duration>,
}

impl TimeLimit {
    /// Begins now. Without a time there is no limit.
    pub(crate) fn start(minutes: Option<u64>) -> Self {
        Self {
            began: Instant::now(),
            limit: minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.began.elapsed() > limit)
    }

    /// The minutes that have begun.
    pub(crate) fn minutes(&self) -> u64 {
        self.began.elapsed().as_secs().div_ceil(60)
    }
}
