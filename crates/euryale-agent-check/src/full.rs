//! Whether a node is full, without flapping.

use std::time::Duration;

use tokio::time::Instant;

use crate::Load;

/// Workers that have all been busy for this long are not just between two short requests.
pub(crate) const BUSY_FOR: Duration = Duration::from_millis(100);

/// A full node has room again once no check has found all its workers busy for this long: two
/// checks of HAProxy at the interval of this crate's documentation.
const FREE_FOR: Duration = Duration::from_millis(500);

/// Remembers that a node is full.
///
/// It becomes full at the first check that finds it so, and remains full until a worker has been
/// free at every check for [`FREE_FOR`]. The memory is one of time, not of checks: several
/// balancers may ask, each at its own pace.
#[derive(Debug, Default)]
pub(crate) struct Full {
    /// When a check last found every worker busy, while the node is full.
    last_busy: Option<Instant>,
}

impl Full {
    /// Returns whether the node is full, now that its load is known.
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
