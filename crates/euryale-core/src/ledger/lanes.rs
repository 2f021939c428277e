//! Counters of blocking lanes, by their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Counter, Gauge};

/// The counters of the blocking lanes of a stack. See
/// [`BlockingLane`](crate::threads::BlockingLane).
#[derive(Debug, Default)]
pub struct Lanes {
    meters: Mutex<BTreeMap<&'static str, Arc<LaneMeter>>>,
}

/// The counters of a lane, or of all lanes of the same name together.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LaneMeter {
    /// Turns that are held now, by a thread or by work that is about to get one.
    pub running: Gauge,
    /// Work that is waiting for a turn now.
    pub waiting: Gauge,
    /// Work that was refused because all turns were held and no more may wait.
    pub refused: Counter,
}

impl Lanes {
    /// Returns the counters of the lanes with this name, which are in the ledger from now on. Takes
    /// a lock, so call it once.
    pub fn of(&self, name: &'static str) -> Arc<LaneMeter> {
        Arc::clone(self.lock().entry(name).or_default())
    }

    /// Returns the counters of all lanes, in the order of their names.
    pub fn all(&self) -> Vec<(&'static str, Arc<LaneMeter>)> {
        self.lock()
            .iter()
            .map(|(name, meter)| (*name, Arc::clone(meter)))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Arc<LaneMeter>>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
