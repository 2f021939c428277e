//! Whether a node is full, without flapping.

use std::time::Duration;

use tokio::time::Instant;

use crate::Load;

/// If all workers have been busy for this long, the node is full. A shorter time may only be a
/// coincidence of short requests.
pub(crate) const BUSY_FOR: Duration = Duration::from_millis(100);

/// A full node has room again once no check has found all its workers busy for this long: two
/// checks of HAProxy at the interval of this crate's documentation.
const FREE_FOR: Duration = Duration::from_millis(500);

/// Remembers that a node is full.
///
/// A node becomes full at the first check whose load is full, and remains full until every check
/// has found a free worker for [`FREE_FOR`]. This is a duration and not a number of checks, because
/// several balancers may check, each at its own interval.
#[derive(Debug, Default)]
pub(crate) struct Full {
    /// When a check last found every worker busy, while the node is full.
    last_busy: Option<Instant>,
}

impl Full {
    /// Updates the state with the current load, and returns whether the node is full.
    pub(crate) fn look(&mut self, load: &Load, now: Instant) -> bool {
        match self.last_busy {
            None if load.is_full() => self.last_busy = Some(now),
            Some(_) if load.busy >= load.workers => self.last_busy = Some(now),
            Some(at) if now.saturating_duration_since(at) >= FREE_FOR => self.last_busy = None,
            None | Some(_) => {}
        }
        self.last_busy.is_some()
    }
}
