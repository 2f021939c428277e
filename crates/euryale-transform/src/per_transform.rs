//! The time that each transform took, and how often it failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::ledger::{Counter, Histogram};

/// The maximum number of transforms that are counted by name.
const TRANSFORMS: usize = 256;

/// Counts those that come after them.
const OTHER: &str = "other";

/// Meters by transform.
///
/// The names are a program's own, and few. At most 256 have their own counters; later ones are
/// counted together as `other`.
#[derive(Debug, Default)]
pub struct PerTransform {
    meters: Mutex<BTreeMap<Arc<str>, Arc<TransformMeters>>>,
}

/// The meters of one transform.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TransformMeters {
    /// How long it took for a page, in seconds. For a streaming rewrite, the time of its handlers.
    pub seconds: Histogram,
    /// Pages on which it failed.
    pub failures: Counter,
}

impl PerTransform {
    /// The meters of the transform of this name. Takes a lock: a chain asks once, when it is built.
    pub fn of(&self, name: &str) -> Arc<TransformMeters> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = meters.len() < TRANSFORMS || meters.contains_key(name);
        Arc::clone(
            meters
                .entry(if is_known { name.into() } else { OTHER.into() })
                .or_default(),
        )
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> Vec<(Arc<str>, Arc<TransformMeters>)> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters
            .iter()
            .map(|(name, meters)| (Arc::clone(name), Arc::clone(meters)))
            .collect()
    }
}
