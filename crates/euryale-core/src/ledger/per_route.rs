//! Counts by route, for a limited number of routes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Counter;
use crate::request::Route;

/// The maximum number of routes that are counted by name.
const ROUTES: usize = 256;

/// The name under which further routes are counted together.
const OTHER: &str = "other";

/// A counter with a separate count for each route.
///
/// At most 256 routes are counted by name; those that come later are counted together as `other`. A
/// request without a [`Route`] is counted under the empty name, which Prometheus treats as a series
/// without that label.
#[derive(Debug, Default)]
pub struct PerRoute {
    total: Counter,
    routes: Mutex<Routes>,
}

#[derive(Debug, Default)]
struct Routes {
    none: u64,
    other: u64,
    named: BTreeMap<Arc<str>, u64>,
}

impl PerRoute {
    /// Adds `n` for `route`. Takes a lock, so it is meant for rare events.
    pub fn add(&self, route: Option<&Route>, n: u64) {
        self.total.add(n);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match route {
            None => routes.none += n,
            Some(route) => *routes.of(route) += n,
        }
    }

    /// Returns the sum of all routes. Takes no lock.
    pub fn get(&self) -> u64 {
        self.total.get()
    }

    /// Returns the routes in the order of their names, with their counts. The first is the empty
    /// name.
    pub fn by_route(&self) -> Vec<(Arc<str>, u64)> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let named = routes
            .named
            .iter()
            .map(|(name, count)| (Arc::clone(name), *count));
        let mut counts: Vec<_> = std::iter::once(("".into(), routes.none))
            .chain(named)
            .collect();
        if routes.other > 0 {
            counts.push((OTHER.into(), routes.other));
            counts.sort_unstable();
        }
        counts
    }
}

impl Routes {
    fn of(&mut self, route: &Route) -> &mut u64 {
        match route.name() {
            "" => &mut self.none,
            // Two series of the same name are an error in Prometheus.
            OTHER => &mut self.other,
            name if self.named.len() < ROUTES || self.named.contains_key(name) => {
                self.named.entry(name.into()).or_default()
            }
            _ => &mut self.other,
        }
    }
}
