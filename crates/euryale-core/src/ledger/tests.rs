use std::time::Duration;

use super::{Book, Counter, Figures, Gauge, GaugeGuard, Histogram, Kind, Ledger, Unsettled};

/// The book of another crate.
#[derive(Debug, Default)]
struct QueueBook {
    depth: Gauge,
    in_use: Gauge,
    wait_seconds: Histogram,
    refused: Counter,
}

impl Book for QueueBook {
    fn figures(&self, figures: &mut Figures) {
        figures.peaked("queue_depth", "Jobs waiting.", &self.depth);
        figures.histogram("queue_wait_seconds", "Waits.", &self.wait_seconds);
        let refused = [("full", &self.refused)];
        figures.counters("jobs_refused_total", "Refused.", "reason", refused);
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("connections in use", &self.in_use);
        unsettled.gauge("queue depth", &self.depth);
    }
}

#[test]
fn held_resources_are_named() {
    let ledger = Ledger::new();
    let book = ledger.of::<QueueBook>();
    let guards = [
        GaugeGuard::new(&book.depth, 2),
        GaugeGuard::new(&book.in_use, 1),
    ];
    assert_eq!(
        ledger.unsettled(),
        ["connections in use: 1", "queue depth: 2"]
    );
    drop(guards);
    assert!(ledger.unsettled().is_empty());
    assert_eq!(book.depth.peak(), 2);
}

#[test]
fn begun_must_equal_ended() {
    let ledger = Ledger::new();
    ledger.transactions.begun.add(3);
    for ended in [
        &ledger.transactions.committed,
        &ledger.transactions.aborted,
        &ledger.transactions.in_doubt,
    ] {
        assert_eq!(ledger.unsettled().len(), 1);
        ended.add(1);
    }
    assert!(ledger.unsettled().is_empty());
}

#[test]
fn a_histogram_counts_bounds_inclusively_and_the_rest_beyond() {
    let histogram = Histogram::default();
    for micros in [100, 101, 10_000_000, 11_000_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
    assert_eq!((counts[0], counts[1], counts.last()), (1, 2, Some(&3)));
    assert_eq!(histogram.count(), 4);
    assert_eq!(histogram.sum(), Duration::from_micros(21_000_201));
}

#[test]
fn the_exposition_is_prometheus_text() {
    let ledger = Ledger::new();
    let book = ledger.of::<QueueBook>();
    ledger.transactions.stopped.drain.add(2);
    ledger.lanes.of("a \\ \"b\"\nc").refused.add(1);
    book.depth.add(3);
    book.depth.add(-3);
    book.refused.add(4);
    book.wait_seconds.record(Duration::from_millis(2));
    let text = ledger.exposition();
    for line in [
        "# HELP euryale_transactions_stopped_total Transactions stopped before their commit.",
        "# TYPE euryale_transactions_stopped_total counter",
        "euryale_transactions_stopped_total{reason=\"drain\"} 2",
        "euryale_transactions_stopped_total{reason=\"deadline\"} 0",
        "euryale_promise_snapshots_total{outcome=\"pinned\"} 0",
        r#"euryale_lane_refused_total{lane="a \\ \"b\"\nc"} 1"#,
        "queue_depth 0",
        "queue_depth_peak 3",
        "jobs_refused_total{reason=\"full\"} 4",
        "queue_wait_seconds_bucket{le=\"0.0015\"} 0",
        "queue_wait_seconds_bucket{le=\"0.002\"} 1",
        "queue_wait_seconds_bucket{le=\"+Inf\"} 1",
        "queue_wait_seconds_sum 0.002",
        "queue_wait_seconds_count 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    // Every sample follows the type of its family, and a family has one type.
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            let family = families.last().unwrap();
            assert!(line.starts_with(family), "{line} stands below {family}");
        }
    }
    let count = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), count);
}

#[test]
fn book_is_one_per_ledger_and_type() {
    let ledger = Ledger::new();
    ledger.of::<QueueBook>().refused.add(1);
    ledger.clone().of::<QueueBook>().refused.add(1);
    assert_eq!(ledger.of::<QueueBook>().refused.get(), 2);
    assert_eq!(Ledger::new().of::<QueueBook>().refused.get(), 0);
    assert_eq!(
        ledger
            .exposition()
            .matches("# TYPE jobs_refused_total")
            .count(),
        1
    );
}

/// A book with other series of one of [`QueueBook`]'s families, and one of the same series.
#[derive(Debug, Default)]
struct OtherBook {
    full: Counter,
    gone: Counter,
}

impl Book for OtherBook {
    fn figures(&self, figures: &mut Figures) {
        let refused = [("full", &self.full), ("gone", &self.gone)];
        figures.counters("jobs_refused_total", "Of another crate.", "reason", refused);
        figures.family("none_total", "Nothing yet.", Kind::Counter);
    }
}

#[test]
fn family_of_two_books_has_the_series_of_both() {
    let ledger = Ledger::new();
    ledger.of::<QueueBook>().refused.add(1);
    ledger.of::<OtherBook>().full.add(2);
    ledger.of::<OtherBook>().gone.add(4);
    let text = ledger.exposition();
    let of = |name: &str| -> Vec<&str> {
        let lines = text.lines();
        lines.filter(|line| line.contains(name)).collect()
    };
    assert_eq!(
        of("jobs_refused_total"),
        [
            "# HELP jobs_refused_total Refused.",
            "# TYPE jobs_refused_total counter",
            "jobs_refused_total{reason=\"full\"} 3",
            "jobs_refused_total{reason=\"gone\"} 4",
        ]
    );
    assert_eq!(of("none_total").len(), 2, "a family without a series");
}

#[test]
fn figure_is_found_by_its_name_without_its_book() {
    let ledger = Ledger::new();
    let book = ledger.of::<QueueBook>();
    book.depth.add(5);
    book.depth.add(-3);
    book.refused.add(7);
    book.wait_seconds.record(Duration::from_secs(3600));
    let figures = ledger.figures();
    assert_eq!(figures.number("queue_depth", &[]), 2);
    assert_eq!(figures.peak("queue_depth", &[]), 5);
    assert_eq!(
        figures.number("jobs_refused_total", &[("reason", "full")]),
        7
    );
    assert_eq!(figures.number("jobs_refused_total", &[]), 0, "other labels");
    let waits = figures.durations("queue_wait_seconds", &[]);
    assert_eq!((waits.count, waits.cumulative[23]), (1, 0));
    let reasons = figures.by_label("jobs_refused_total", "reason");
    assert_eq!(
        reasons.map(|(reason, _)| reason).collect::<Vec<_>>(),
        ["full"]
    );
}
