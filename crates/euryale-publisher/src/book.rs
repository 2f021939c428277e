//! The counters of the policy for conflicts.

#[cfg(test)]
mod tests;

use euryale_core::ledger::{Book, Figures, Kind};

use crate::PerRoute;

/// Counters of a [`ConflictPolicy`](crate::ConflictPolicy).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ConflictBook {
    /// Requests that met a conflict and were answered after another attempt, by route.
    pub resolved: PerRoute,
    /// Requests that met a conflict in every attempt, by route.
    pub exhausted: PerRoute,
}

impl Book for ConflictBook {
    fn figures(&self, figures: &mut Figures) {
        let mut family = figures.family(
            "euryale_conflicts_total",
            "Requests that met a conflict.",
            Kind::Counter,
        );
        for (outcome, counter) in [("resolved", &self.resolved), ("exhausted", &self.exhausted)] {
            for (route, count) in counter.by_route() {
                family.series(&[("outcome", outcome), ("route", &route)], count);
            }
        }
    }
}
