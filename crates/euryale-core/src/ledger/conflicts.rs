//! The counters of the rule for conflicts.

#[cfg(test)]
mod tests;

use super::{Book, Figures, Kind, PerRoute};

/// Counters of a [`ConflictRule`](crate::transaction::ConflictRule).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ConflictBook {
    /// Requests and transactions that met a conflict and were answered after another attempt, by
    /// route.
    pub resolved: PerRoute,
    /// Requests and transactions that met a conflict in every attempt, by route.
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
