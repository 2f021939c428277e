//! Counters of blocking lanes, by their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Counter, Gauge};

/// The blocking lanes of a stack. See [`BlockingLane`](crate::threads::BlockingLane).
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
    /// Waiting for a turn now.
    pub waiting: Gauge,
    /// Refused, because all turns were held and no more may wait.
    pub refused: Counter,
}

impl Lanes {
    /// The counters of the lanes of this name, which are in the ledger from now on. Takes a lock:
    /// call it once.
    pub fn of(&self, name: &'static str) -> Arc<LaneMeter> {
        Arc::clone(self.lock().entry(name).or_default())
    }

    /// All of them, in the order of their names.
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
