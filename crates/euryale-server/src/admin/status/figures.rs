//! All numbers of the page, once, for people and for programs.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::ledger::{Counter, Gauge};

use super::details::StatusDetails;
use super::history::{Counts, History, Sample};
use super::trends::{Trend, trends};
use crate::slowest::Ended;

/// A number, with what it counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Count(i64),
    Bytes(u64),
    Seconds(Option<f64>),
    PerSecond(Option<f64>),
    BytesPerSecond(Option<f64>),
}

/// Part of the page: an id, a title, and its numbers with their names for programs and for people.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) rows: Vec<(&'static str, &'static str, Value)>,
}

/// A time by its quantiles: lately, and since the start.
pub(super) struct Times {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) recent: Option<[Option<f64>; 3]>,
    pub(super) ever: [Option<f64>; 3],
}

pub(super) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

pub(super) struct Lane {
    pub(super) name: &'static str,
    pub(super) running: i64,
    pub(super) peak: i64,
    pub(super) waiting: i64,
    pub(super) refused: u64,
}

pub(super) struct Transform {
    pub(super) name: Arc<str>,
    pub(super) pages: u64,
    pub(super) ever: [Option<f64>; 3],
    pub(super) failures: u64,
}

/// The process that the page is about.
pub(super) struct Process {
    pub(super) program: Option<Arc<str>>,
    pub(super) host: String,
    pub(super) state: &'static str,
    pub(super) up: Duration,
}

pub(super) struct Figures {
    pub(super) process: Process,
    /// How far back what happened lately goes.
    pub(super) recent: Option<Duration>,
    pub(super) trends: Vec<Trend>,
    pub(super) sections: Vec<Section>,
    pub(super) times: Vec<Times>,
    pub(super) lanes: Vec<Lane>,
    pub(super) transforms: Vec<Transform>,
    pub(super) details: StatusDetails,
    /// None: nobody keeps them.
    pub(super) slowest: Option<Vec<Ended>>,
}

/// The number of requests that are listed.
const LISTED: usize = 50;

impl Figures {
    pub(super) fn new(
        ledger: &Ledger,
        history: &History,
        now: &Sample,
        process: Process,
        mut details: StatusDetails,
        slowest: Option<Vec<Ended>>,
    ) -> Self {
        details.held.sort_by_key(|held| std::cmp::Reverse(held.age));
        details.held.truncate(LISTED);
        let recent = history.recent(now);
        let times = |id,
                     title,
                     of: fn(&Counts) -> [Option<f64>; 3],
                     ever: &Counts,
                     lately: Option<&Counts>| {
            Times {
                id,
                title,
                recent: lately.map(of),
                ever: of(ever),
            }
        };
        let lately = recent.as_ref();
        let times = vec![
            times(
                "queue_wait",
                "Waiting for a worker",
                quantiles,
                &now.waits,
                lately.map(|all| &all.waits),
            ),
            times(
                "publish",
                "In a worker",
                quantiles,
                &now.publishing,
                lately.map(|all| &all.publishing),
            ),
            times(
                "response_head",
                "Until the head is sent",
                quantiles,
                &now.heads,
                lately.map(|all| &all.heads),
            ),
        ];
        let lanes = ledger.lanes.all().into_iter().map(|(name, meter)| Lane {
            name,
            running: meter.running.get(),
            peak: meter.running.peak(),
            waiting: meter.waiting.get(),
            refused: meter.refused.get(),
        });
        let transforms = ledger
            .transforms
            .by_name
            .all()
            .into_iter()
            .map(|(name, meters)| {
                let counts = Counts::of(&meters.seconds);
                Transform {
                    name,
                    pages: counts.total(),
                    ever: quantiles(&counts),
                    failures: meters.failures.get(),
                }
            });
        Self {
            process,
            recent: recent.as_ref().map(|recent| recent.span),
            trends: trends(ledger, history, now),
            sections: sections(ledger, history, now, details.oldest_wait),
            times,
            lanes: lanes.collect(),
            transforms: transforms.collect(),
            details,
            slowest,
        }
    }
}

fn quantiles(counts: &Counts) -> [Option<f64>; 3] {
    QUANTILES.map(|(_, share)| counts.quantile(share))
}

fn sections(
    ledger: &Ledger,
    history: &History,
    now: &Sample,
    oldest_wait: Option<Duration>,
) -> Vec<Section> {
    let section = |id, title, rows| Section { id, title, rows };
    let connections = &ledger.connections;
    let queue = &ledger.queue;
    let promises = &ledger.promises;
    let deferred = &ledger.deferred;
    let blobs = &ledger.blobs;
    let sockets = &ledger.sockets;
    let transactions = &ledger.transactions;
    let sendfile = Value::BytesPerSecond(history.rate(now, |sample| sample.sendfile));
    let read = Value::BytesPerSecond(history.rate(now, |sample| sample.read));
    let wait = Value::Seconds(oldest_wait.map(|wait| wait.as_secs_f64()));
    vec![
        section(
            "workers",
            "Workers",
            vec![
                ("running", "Running", Value::Count(now.running)),
                ("cap", "Cap", gauge(&connections.cap)),
                (
                    "running_peak",
                    "Most at a time",
                    Value::Count(ledger.publishers.running.peak()),
                ),
                (
                    "connections_in_use",
                    "Connections in use",
                    gauge(&connections.in_use),
                ),
                (
                    "connections_idle",
                    "Connections idle",
                    gauge(&connections.idle),
                ),
            ],
        ),
        section(
            "queue",
            "Queue",
            vec![
                ("waiting", "Waiting", Value::Count(now.waiting)),
                ("oldest_wait_seconds", "Oldest has waited", wait),
                ("refused_full", "Refused: full", counter(&queue.full)),
                (
                    "refused_elapsed",
                    "Refused: waited too long",
                    counter(&queue.elapsed),
                ),
                ("gone", "Client gone", counter(&queue.gone)),
            ],
        ),
        section(
            "promises",
            "Promises",
            vec![
                (
                    "requests_suspended",
                    "Requests suspended",
                    gauge(&promises.suspended),
                ),
                ("running", "Running", gauge(&promises.running)),
                (
                    "passes",
                    "Passes after the first",
                    counter(&promises.passes),
                ),
            ],
        ),
        section(
            "deferred",
            "After the transaction",
            vec![
                ("running", "Deferred responses", gauge(&deferred.running)),
                ("writers", "Bodies being written", gauge(&deferred.writers)),
                ("tasks", "Tasks", gauge(&ledger.tasks.running)),
                (
                    "transforms",
                    "Pages in transforms",
                    gauge(&ledger.transforms.running),
                ),
            ],
        ),
        section(
            "blobs",
            "Files being sent",
            vec![
                ("open", "Open", gauge(&blobs.open)),
                ("sendfile_bytes_per_second", "By sendfile", sendfile),
                ("read_bytes_per_second", "By reading", read),
                (
                    "sendfile_bytes",
                    "By sendfile, in all",
                    Value::Bytes(now.sendfile),
                ),
                ("read_bytes", "By reading, in all", Value::Bytes(now.read)),
            ],
        ),
        section(
            "spool",
            "Request bodies",
            vec![
                ("files", "In files", gauge(&ledger.spool.files)),
                ("bytes", "Held", bytes(&ledger.spool.bytes)),
                ("memory", "Memory", bytes(&ledger.spool.memory)),
                ("file_bytes", "On the disk", bytes(&ledger.spool.file_bytes)),
                (
                    "spilled",
                    "In files for lack of memory",
                    counter(&ledger.spool.spilled),
                ),
                (
                    "refused",
                    "Refused: no room",
                    counter(&ledger.spool.refused),
                ),
            ],
        ),
        section(
            "sockets",
            "Sockets",
            vec![
                ("open", "Open", gauge(&sockets.open)),
                (
                    "open_peak",
                    "Most at a time",
                    Value::Count(sockets.open.peak()),
                ),
                ("stalled", "Closed: did not read", counter(&sockets.stalled)),
                ("refused", "Closed: too many", counter(&sockets.refused)),
            ],
        ),
        section(
            "transactions",
            "Transactions",
            vec![
                (
                    "per_second",
                    "Ended",
                    Value::PerSecond(history.rate(now, |sample| sample.ended)),
                ),
                ("committed", "Committed", counter(&transactions.committed)),
                ("aborted", "Aborted", counter(&transactions.aborted)),
                ("in_doubt", "In doubt", counter(&transactions.in_doubt)),
            ],
        ),
    ]
}

fn gauge(gauge: &Gauge) -> Value {
    Value::Count(gauge.get())
}

fn bytes(gauge: &Gauge) -> Value {
    Value::Bytes(u64::try_from(gauge.get()).unwrap_or(0))
}

fn counter(counter: &Counter) -> Value {
    Value::Count(i64::try_from(counter.get()).unwrap_or(i64::MAX))
}
