//! The counters of the chain.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Kind, Unsettled};

use crate::PerTransform;

/// Counters of a chain of transforms.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TransformBook {
    /// Pages that a chain is transforming now.
    pub running: Gauge,
    /// Pages that were parsed for streaming rewrites. Consecutive rewrites share one parse.
    pub parsed: Counter,
    /// The time and the failures of each transform.
    pub by_name: PerTransform,
}

impl Book for TransformBook {
    fn figures(&self, figures: &mut Figures) {
        figures.peaked(
            "euryale_transforms_running",
            "Pages being transformed.",
            &self.running,
        );
        figures.counter(
            "euryale_transform_pages_parsed_total",
            "Pages parsed by streaming rewrites.",
            &self.parsed,
        );
        let by_name = self.by_name.all();
        let mut seconds = figures.family(
            "euryale_transform_seconds",
            "What a transform took of the time of a page.",
            Kind::Histogram,
        );
        for (transform, meters) in &by_name {
            seconds.series(&[("transform", transform)], &meters.seconds);
        }
        let mut failures = figures.family(
            "euryale_transform_failures_total",
            "Pages on which a transform failed.",
            Kind::Counter,
        );
        for (transform, meters) in &by_name {
            failures.series(&[("transform", transform)], &meters.failures);
        }
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("transforms running", &self.running);
    }
}
