//! The states of a row, and the clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::enqueue::When;
use crate::tasks::LONGEST;

/// It may be taken.
pub(super) const DUE: i64 = 0;
/// It becomes due at its time.
pub(super) const DELAYED: i64 = 1;
/// A process runs it.
pub(super) const HELD: i64 = 2;
/// It has failed for the last time.
pub(super) const DEAD: i64 = 3;
/// It has succeeded, and its outcome is kept.
pub(super) const DONE: i64 = 4;

/// Returns the state of a task that is due at this time, and the time.
pub(super) fn due(when: When) -> (i64, i64) {
    let now = now();
    let at = match when {
        When::Now | When::After(Duration::ZERO) => return (DUE, now),
        When::After(delay) => now.saturating_add(milliseconds(delay)),
        When::At(at) => at,
    };
    if at <= now { (DUE, at) } else { (DELAYED, at) }
}

/// Returns the milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    milliseconds(since)
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    let time = time.min(LONGEST);
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
