//! The time and the failures of each transform.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::ledger::{Counter, Histogram};

/// The maximum number of transforms that are counted by name.
const TRANSFORMS: usize = 256;

/// The name under which further transforms are counted together.
const OTHER: &str = "other";

/// Meters for each transform.
///
/// The program chooses the names, and there are few of them. At most 256 have their own counters;
/// later ones are counted together as `other`.
#[derive(Debug, Default)]
pub struct PerTransform {
    meters: Mutex<BTreeMap<Arc<str>, Arc<TransformMeters>>>,
}

/// The meters of one transform.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TransformMeters {
    /// The time for a page, in seconds. For a streaming rewrite, this is the time of its handlers.
    pub seconds: Histogram,
    /// Pages on which the transform failed.
    pub failures: Counter,
}

impl PerTransform {
    /// Returns the meters of the transform with this name. Takes a lock, so a chain calls this only
    /// when it is built.
    pub fn of(&self, name: &str) -> Arc<TransformMeters> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = meters.len() < TRANSFORMS || meters.contains_key(name);
        Arc::clone(
            meters
                .entry(if is_known { name.into() } else { OTHER.into() })
                .or_default(),
        )
    }

    /// Returns all meters in the order of their names.
    pub fn all(&self) -> Vec<(Arc<str>, Arc<TransformMeters>)> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters
            .iter()
            .map(|(name, meters)| (Arc::clone(name), Arc::clone(meters)))
            .collect()
    }
}
