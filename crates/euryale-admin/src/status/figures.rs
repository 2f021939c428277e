//! All numbers of the page, shared by the HTML and the JSON.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::ledger;
use euryale_server::SlowRequest;

use super::details::StatusDetails;
use super::history::{Counts, History, Sample};
use super::trends::{Trend, trends};

/// A number and its unit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Count(i64),
    Bytes(u64),
    Seconds(Option<f64>),
    PerSecond(Option<f64>),
    BytesPerSecond(Option<f64>),
}

/// A section of the page: an id, a title, and its numbers with their names for programs and for
/// people.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) rows: Vec<(&'static str, &'static str, Value)>,
}

/// The quantiles of a time: recently, and since the start.
pub(super) struct Times {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) recent: Option<[Option<f64>; 3]>,
    pub(super) ever: [Option<f64>; 3],
}

pub(super) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

pub(super) struct Lane {
    pub(super) name: String,
    pub(super) running: i64,
    pub(super) peak: i64,
    pub(super) waiting: i64,
    pub(super) refused: i64,
}

pub(super) struct Transform {
    pub(super) name: String,
    pub(super) pages: u64,
    pub(super) ever: [Option<f64>; 3],
    pub(super) failures: i64,
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
    /// The length of time that counts as recent.
    pub(super) recent: Option<Duration>,
    pub(super) trends: Vec<Trend>,
    pub(super) sections: Vec<Section>,
    pub(super) times: Vec<Times>,
    pub(super) lanes: Vec<Lane>,
    pub(super) transforms: Vec<Transform>,
    pub(super) details: StatusDetails,
    /// The slowest requests, or `None` if they are not recorded.
    pub(super) slowest: Option<Vec<SlowRequest>>,
}

/// The number of requests that are listed.
const LISTED: usize = 50;

impl Figures {
    pub(super) fn new(
        all: &ledger::Figures,
        history: &History,
        now: &Sample,
        process: Process,
        mut details: StatusDetails,
        slowest: Option<Vec<SlowRequest>>,
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
        let names = all.by_label("euryale_lane_running", "lane");
        let lanes = names.map(|(name, _)| {
            let number = |figure| all.number(figure, &[("lane", name)]);
            Lane {
                name: name.into(),
                running: number("euryale_lane_running"),
                peak: number("euryale_lane_running_peak"),
                waiting: number("euryale_lane_waiting"),
                refused: number("euryale_lane_refused_total"),
            }
        });
        let names = all.by_label("euryale_transform_seconds", "transform");
        let transforms = names.map(|(name, _)| {
            let labels = &[("transform", name)];
            let counts = Counts::of(&all.durations("euryale_transform_seconds", labels));
            Transform {
                name: name.into(),
                pages: counts.total(),
                ever: quantiles(&counts),
                failures: all.number("euryale_transform_failures_total", labels),
            }
        });
        Self {
            process,
            recent: recent.as_ref().map(|recent| recent.span),
            trends: trends(all, history, now),
            sections: sections(all, history, now, details.oldest_wait),
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
    all: &ledger::Figures,
    history: &History,
    now: &Sample,
    oldest_wait: Option<Duration>,
) -> Vec<Section> {
    let section = |id, title, rows| Section { id, title, rows };
    let number = |name| all.number(name, &[]);
    let count = |name| Value::Count(number(name));
    let bytes = |name| Value::Bytes(u64::try_from(number(name)).unwrap_or(0));
    let reason = |name, reason| Value::Count(all.number(name, &[("reason", reason)]));
    let rejected = |why| reason("euryale_queue_rejected_total", why);
    let closed = |why| reason("euryale_sockets_closed_total", why);
    let sendfile = Value::BytesPerSecond(history.rate(now, |sample| sample.sendfile));
    let read = Value::BytesPerSecond(history.rate(now, |sample| sample.read));
    let wait = Value::Seconds(oldest_wait.map(|wait| wait.as_secs_f64()));
    vec![
        section(
            "workers",
            "Workers",
            vec![
                ("running", "Running", Value::Count(now.running)),
                ("cap", "Cap", count("euryale_connections_cap")),
                (
                    "running_peak",
                    "Most at a time",
                    count("euryale_publishers_running_peak"),
                ),
                (
                    "connections_in_use",
                    "Connections in use",
                    count("euryale_connections_in_use"),
                ),
                (
                    "connections_idle",
                    "Connections idle",
                    count("euryale_connections_idle"),
                ),
            ],
        ),
        section(
            "queue",
            "Queue",
            vec![
                ("waiting", "Waiting", Value::Count(now.waiting)),
                ("oldest_wait_seconds", "Oldest has waited", wait),
                ("refused_full", "Refused: full", rejected("full")),
                (
                    "refused_elapsed",
                    "Refused: waited too long",
                    rejected("elapsed"),
                ),
                ("gone", "Client gone", rejected("gone")),
            ],
        ),
        section(
            "promises",
            "Promises",
            vec![
                (
                    "requests_suspended",
                    "Requests suspended",
                    count("euryale_requests_suspended"),
                ),
                ("running", "Running", count("euryale_promises_running")),
                (
                    "passes",
                    "Passes after the first",
                    count("euryale_promise_passes_total"),
                ),
            ],
        ),
        section(
            "deferred",
            "After the transaction",
            vec![
                (
                    "running",
                    "Deferred responses",
                    count("euryale_deferred_running"),
                ),
                (
                    "writers",
                    "Bodies being written",
                    count("euryale_writers_running"),
                ),
                ("tasks", "Tasks", count("euryale_tasks_running")),
                (
                    "transforms",
                    "Pages in transforms",
                    count("euryale_transforms_running"),
                ),
            ],
        ),
        section(
            "blobs",
            "Files being sent",
            vec![
                ("open", "Open", count("euryale_blobs_open")),
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
                ("files", "In files", count("euryale_spool_files")),
                ("bytes", "Held", bytes("euryale_spool_bytes")),
                ("memory", "Memory", bytes("euryale_spool_memory_bytes")),
                (
                    "file_bytes",
                    "On the disk",
                    bytes("euryale_spool_file_bytes"),
                ),
                (
                    "spilled",
                    "In files for lack of memory",
                    count("euryale_spool_spilled_total"),
                ),
                (
                    "refused",
                    "Refused: no room",
                    count("euryale_spool_refused_total"),
                ),
            ],
        ),
        section(
            "sockets",
            "Sockets",
            vec![
                ("open", "Open", count("euryale_sockets_open")),
                (
                    "open_peak",
                    "Most at a time",
                    Value::Count(all.peak("euryale_sockets_open", &[])),
                ),
                ("stalled", "Closed: did not read", closed("stalled")),
                ("refused", "Closed: too many", closed("refused")),
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
                (
                    "committed",
                    "Committed",
                    count("euryale_transactions_committed_total"),
                ),
                (
                    "aborted",
                    "Aborted",
                    count("euryale_transactions_aborted_total"),
                ),
                (
                    "in_doubt",
                    "In doubt",
                    count("euryale_transactions_in_doubt_total"),
                ),
            ],
        ),
    ]
}
