//! Prometheus text format, version 0.0.4.

use std::fmt::{self, Write};

use super::{
    Conflicts, Counter, DropReason, Gauge, Histogram, LaneMeter, Lanes, Ledger, Parts, Promises,
    Transforms,
};

pub(super) fn write(ledger: &Ledger) -> String {
    let mut out = Exposition(String::with_capacity(8 << 10));
    let connections = &ledger.connections;
    out.gauge(
        "euryale_connections_cap",
        "Connections that may be open.",
        &connections.cap,
    );
    out.peaked(
        "euryale_connections_in_use",
        "Connections held by workers.",
        &connections.in_use,
    );
    out.gauge(
        "euryale_connections_idle",
        "Open connections that wait for work.",
        &connections.idle,
    );
    out.counter(
        "euryale_connections_opened_total",
        "Connections opened.",
        &connections.opened,
    );
    let dropped: Vec<_> = DropReason::ALL
        .iter()
        .map(|reason| (reason.label(), connections.dropped.get(*reason)))
        .collect();
    out.counts(
        "euryale_connections_dropped_total",
        "Connections dropped.",
        "reason",
        &dropped,
    );

    out.peaked(
        "euryale_publishers_running",
        "Jobs running in workers.",
        &ledger.publishers.running,
    );
    out.histogram(
        "euryale_publish_seconds",
        "Duration of jobs in their worker.",
        &ledger.publishers.seconds,
    );

    let queue = &ledger.queue;
    out.gauge(
        "euryale_queue_depth",
        "Jobs waiting for a worker.",
        &queue.depth,
    );
    out.histogram(
        "euryale_queue_wait_seconds",
        "Wait of the jobs that were started.",
        &queue.wait_seconds,
    );
    let rejected = [
        ("full", &queue.full),
        ("elapsed", &queue.elapsed),
        ("gone", &queue.gone),
    ];
    out.counters(
        "euryale_queue_rejected_total",
        "Jobs that never started.",
        "reason",
        rejected,
    );

    let transactions = &ledger.transactions;
    for (name, help, counter) in [
        (
            "euryale_transactions_begun_total",
            "Transactions begun.",
            &transactions.begun,
        ),
        (
            "euryale_transactions_committed_total",
            "Transactions committed.",
            &transactions.committed,
        ),
        (
            "euryale_transactions_aborted_total",
            "Transactions aborted.",
            &transactions.aborted,
        ),
        (
            "euryale_transactions_in_doubt_total",
            "Commits of unknown outcome.",
            &transactions.in_doubt,
        ),
        (
            "euryale_finish_failures_total",
            "Participants that failed after a commit.",
            &transactions.finish_failures,
        ),
        (
            "euryale_hook_failures_total",
            "After hooks that panicked.",
            &transactions.hook_failures,
        ),
        (
            "euryale_attempts_total",
            "Publications, repeated ones included.",
            &ledger.conflicts.attempts,
        ),
    ] {
        out.counter(name, help, counter);
    }
    out.conflicts(&ledger.conflicts);

    out.deferred(ledger);
    out.promises(&ledger.promises);
    out.lanes(&ledger.lanes);

    out.transforms(&ledger.transforms);
    out.parts(
        "euryale_tiles_total",
        "Tiles in their places, and missing ones.",
        &ledger.tiles,
    );
    let help = "Documents that themes take content from, and missing ones.";
    out.parts(
        "euryale_theme_documents_total",
        help,
        &ledger.theme_documents,
    );

    out.gauge(
        "euryale_blobs_open",
        "Open files on their way to clients.",
        &ledger.blobs.open,
    );
    let sent = &ledger.blobs.sent;
    let paths = [
        ("sendfile", &sent.sendfile),
        ("read", &sent.read),
        ("offload", &sent.offload),
    ];
    out.counters("euryale_blobs_total", "Open files sent.", "path", paths);
    let bytes = [
        ("sendfile", &sent.sendfile_bytes),
        ("read", &sent.read_bytes),
    ];
    out.counters(
        "euryale_blob_bytes_total",
        "Bytes sent of open files.",
        "path",
        bytes,
    );
    out.gauge(
        "euryale_spool_files",
        "Request bodies in files.",
        &ledger.spool.files,
    );
    out.gauge(
        "euryale_spool_bytes",
        "Bytes of request bodies held.",
        &ledger.spool.bytes,
    );

    let sockets = &ledger.sockets;
    out.gauge("euryale_sockets_open", "Open sockets.", &sockets.open);
    out.gauge(
        "euryale_sockets_resting",
        "Open sockets without a request and without buffers.",
        &sockets.resting,
    );
    let closed = [
        ("finished", &sockets.finished),
        ("idle", &sockets.idle),
        ("failed", &sockets.failed),
        ("malformed", &sockets.malformed),
        ("head_too_large", &sockets.head_too_large),
        ("silent", &sockets.silent),
        ("head_elapsed", &sockets.head_elapsed),
        ("body_elapsed", &sockets.body_elapsed),
        ("stalled", &sockets.stalled),
        ("flood", &sockets.flood),
        ("handshake", &sockets.handshake),
        ("proxy", &sockets.proxy),
        ("refused", &sockets.refused),
        ("cut", &sockets.cut),
    ];
    out.counters(
        "euryale_sockets_closed_total",
        "Sockets closed.",
        "reason",
        closed,
    );
    let head = &ledger.response_head_seconds;
    out.histogram(
        "euryale_response_head_seconds",
        "From a request's head parsed to its response's written.",
        head,
    );
    out.0
}

struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {}", gauge.get()));
    }

    fn peaked(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.gauge(name, help, gauge);
        self.head(
            &format!("{name}_peak"),
            "The greatest value so far.",
            "gauge",
        );
        self.line(format_args!("{name}_peak {}", gauge.peak()));
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, help, "counter");
        self.line(format_args!("{name} {}", counter.get()));
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counters: [(&str, &Counter); N],
    ) {
        self.counts(
            name,
            help,
            label,
            &counters.map(|(value, counter)| (value, counter.get())),
        );
    }

    fn counts(&mut self, name: &str, help: &str, label: &str, counts: &[(&str, u64)]) {
        self.head(name, help, "counter");
        for (value, count) in counts {
            self.line(format_args!("{name}{{{label}=\"{value}\"}} {count}"));
        }
    }

    fn deferred(&mut self, ledger: &Ledger) {
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

    fn conflicts(&mut self, conflicts: &Conflicts) {
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

    fn promises(&mut self, promises: &Promises) {
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

    fn lanes(&mut self, lanes: &Lanes) {
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

    fn transforms(&mut self, transforms: &Transforms) {
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

    fn parts(&mut self, name: &str, help: &str, parts: &Parts) {
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

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        self.buckets(name, "", histogram);
    }

    fn buckets(&mut self, name: &str, label: &str, histogram: &Histogram) {
        let (comma, labels) = if label.is_empty() {
            ("", String::new())
        } else {
            (",", format!("{{{label}}}"))
        };
        for (bound, count) in histogram.cumulative() {
            self.line(format_args!(
                "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {count}"
            ));
        }
        let count = histogram.count();
        self.line(format_args!(
            "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {count}"
        ));
        self.line(format_args!(
            "{name}_sum{labels} {}",
            histogram.sum().as_secs_f64()
        ));
        self.line(format_args!("{name}_count{labels} {count}"));
    }
}

/// The value of a label that this crate did not choose: `\`, `"` and line feeds are escaped,
/// nothing else is.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
