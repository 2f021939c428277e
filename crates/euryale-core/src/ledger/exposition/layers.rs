//! The families of layers and lanes, which have labels of their own.

use super::text::{Escaped, Exposition};
use crate::ledger::{Conflicts, LaneMeter, Lanes, Ledger, Parts, Promises, Transforms};

impl Exposition {
    pub(super) fn deferred(&mut self, ledger: &Ledger) {
        let deferred = &ledger.deferred;
        let tasks = &ledger.tasks;
        self.peaked(
            "euryale_deferred_running",
            "Deferred responses being computed.",
            &deferred.running,
        );
        self.peaked(
            "euryale_writers_running",
            "Bodies written by synchronous code.",
            &deferred.writers,
        );
        let ended = [
            ("ok", &deferred.ok),
            ("error", &deferred.error),
            ("panic", &deferred.panic),
            ("elapsed", &deferred.elapsed),
            ("cancelled", &deferred.cancelled),
            ("full", &deferred.full),
        ];
        self.counters(
            "euryale_deferred_total",
            "Deferred responses that ended.",
            "outcome",
            ended,
        );
        self.gauge(
            "euryale_tasks_running",
            "Tasks of committed transactions.",
            &tasks.running,
        );
        self.counter(
            "euryale_tasks_spawned_total",
            "Tasks spawned after a commit.",
            &tasks.spawned,
        );
        self.counter(
            "euryale_tasks_panicked_total",
            "Tasks that panicked.",
            &tasks.panic,
        );
    }

    pub(super) fn conflicts(&mut self, conflicts: &Conflicts) {
        let name = "euryale_conflicts_total";
        self.head(name, "Requests that met a conflict.", "counter");
        for (outcome, counter) in [
            ("resolved", &conflicts.resolved),
            ("exhausted", &conflicts.exhausted),
        ] {
            for (route, count) in counter.by_route() {
                let route = Escaped(&route);
                self.line(format_args!(
                    "{name}{{outcome=\"{outcome}\",route=\"{route}\"}} {count}"
                ));
            }
        }
    }

    pub(super) fn promises(&mut self, promises: &Promises) {
        let passes = &promises.passes;
        self.counter(
            "euryale_promise_passes_total",
            "Publications that followed a suspension.",
            passes,
        );
        self.gauge(
            "euryale_promises_running",
            "Promises whose code runs.",
            &promises.running,
        );
        let outcomes = [
            ("ok", &promises.ok),
            ("error", &promises.error),
            ("panic", &promises.panic),
            ("elapsed", &promises.elapsed),
            ("cancelled", &promises.cancelled),
            ("shared", &promises.shared),
        ];
        self.counters(
            "euryale_promises_total",
            "Promises that ended.",
            "outcome",
            outcomes,
        );
        let suspended = &promises.suspended;
        self.gauge(
            "euryale_requests_suspended",
            "Requests set aside until their promises resolve.",
            suspended,
        );
        let snapshots = [
            ("pinned", &promises.snapshots_pinned),
            ("gone", &promises.snapshots_gone),
            ("unsupported", &promises.snapshots_unsupported),
        ];
        let help = "Passes that were to see the snapshot of the first one.";
        self.counters(
            "euryale_promise_snapshots_total",
            help,
            "outcome",
            snapshots,
        );
    }

    pub(super) fn lanes(&mut self, lanes: &Lanes) {
        let lanes = lanes.all();
        let mut family = |name: &str, help: &str, kind: &str, value: fn(&LaneMeter) -> i64| {
            self.head(name, help, kind);
            for (lane, meter) in &lanes {
                self.line(format_args!("{name}{{lane=\"{lane}\"}} {}", value(meter)));
            }
        };
        let running = "Turns of blocking lanes that are held.";
        family("euryale_lane_running", running, "gauge", |meter| {
            meter.running.get()
        });
        let peak = "The greatest value so far.";
        family("euryale_lane_running_peak", peak, "gauge", |meter| {
            meter.running.peak()
        });
        let waiting = "Work that waits for a turn in a blocking lane.";
        family("euryale_lane_waiting", waiting, "gauge", |meter| {
            meter.waiting.get()
        });
        let refused = "Work that a blocking lane had no room for.";
        family("euryale_lane_refused_total", refused, "counter", |meter| {
            i64::try_from(meter.refused.get()).unwrap_or(i64::MAX)
        });
    }

    pub(super) fn transforms(&mut self, transforms: &Transforms) {
        self.peaked(
            "euryale_transforms_running",
            "Pages being transformed.",
            &transforms.running,
        );
        let help = "Pages parsed by streaming rewrites.";
        self.counter(
            "euryale_transform_pages_parsed_total",
            help,
            &transforms.parsed,
        );
        let by_name = transforms.by_name.all();
        let name = "euryale_transform_seconds";
        self.head(
            name,
            "What a transform took of the time of a page.",
            "histogram",
        );
        for (transform, meters) in &by_name {
            self.buckets(
                name,
                &format!("transform=\"{}\"", Escaped(transform)),
                &meters.seconds,
            );
        }
        let name = "euryale_transform_failures_total";
        self.head(name, "Pages on which a transform failed.", "counter");
        for (transform, meters) in &by_name {
            let transform = Escaped(transform);
            let failures = meters.failures.get();
            self.line(format_args!(
                "{name}{{transform=\"{transform}\"}} {failures}"
            ));
        }
    }

    pub(super) fn parts(&mut self, name: &str, help: &str, parts: &Parts) {
        let outcomes = [
            ("ok", &parts.ok),
            ("address", &parts.address),
            ("limit", &parts.limit),
            ("status", &parts.status),
            ("content", &parts.content),
            ("elapsed", &parts.elapsed),
            ("failed", &parts.failed),
        ];
        self.counters(name, help, "outcome", outcomes);
    }
}
