use std::time::Duration;

use super::{DropReason, GaugeGuard, Histogram, Ledger, PerRoute};
use crate::Route;

#[test]
fn what_is_held_is_named() {
    let ledger = Ledger::new();
    let guards = [
        GaugeGuard::new(&ledger, |ledger| &ledger.queue.depth, 2),
        GaugeGuard::new(&ledger, |ledger| &ledger.connections.in_use, 1),
    ];
    assert_eq!(
        ledger.unsettled(),
        ["connections in use: 1", "queue depth: 2"]
    );
    drop(guards);
    assert!(ledger.unsettled().is_empty());
    assert_eq!(ledger.queue.depth.peak(), 2);
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
    ledger.connections.dropped.add(DropReason::Panicked, 2);
    ledger.publishers.running.add(3);
    ledger.publishers.running.add(-3);
    ledger.promises.elapsed.add(4);
    ledger.tiles.status.add(5);
    ledger.theme_documents.elapsed.add(6);
    ledger.queue.wait_seconds.record(Duration::from_millis(2));
    let text = ledger.exposition();
    for line in [
        "euryale_connections_dropped_total{reason=\"panicked\"} 2",
        "euryale_publishers_running 0",
        "euryale_publishers_running_peak 3",
        "euryale_promises_total{outcome=\"elapsed\"} 4",
        "euryale_requests_suspended 0",
        "euryale_tiles_total{outcome=\"ok\"} 0",
        "euryale_tiles_total{outcome=\"status\"} 5",
        "euryale_theme_documents_total{outcome=\"elapsed\"} 6",
        "euryale_queue_wait_seconds_bucket{le=\"0.0015\"} 0",
        "euryale_queue_wait_seconds_bucket{le=\"0.002\"} 1",
        "euryale_queue_wait_seconds_bucket{le=\"+Inf\"} 1",
        "euryale_queue_wait_seconds_sum 0.002",
        "euryale_queue_wait_seconds_count 1",
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
fn conflicts_are_counted_by_route() {
    let ledger = Ledger::new();
    let resolved = &ledger.conflicts.resolved;
    let exhausted = &ledger.conflicts.exhausted;
    resolved.add(Some(&Route::new("/orders/{id}")), 2);
    resolved.add(Some(&Route::new("/orders/{id}")), 1);
    resolved.add(None, 4);
    exhausted.add(Some(&Route::new("a \\ \"b\"\nc {é}")), 1);
    exhausted.add(Some(&Route::new("")), 1);
    assert_eq!((resolved.get(), exhausted.get()), (7, 2));
    let text = ledger.exposition();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("euryale_conflicts_total"))
        .collect();
    assert_eq!(
        lines,
        [
            r#"euryale_conflicts_total{outcome="resolved",route=""} 4"#,
            r#"euryale_conflicts_total{outcome="resolved",route="/orders/{id}"} 3"#,
            r#"euryale_conflicts_total{outcome="exhausted",route=""} 1"#,
            r#"euryale_conflicts_total{outcome="exhausted",route="a \\ \"b\"\nc {é}"} 1"#,
        ]
    );
}

#[test]
fn both_outcomes_are_there_before_anything_happened() {
    let text = Ledger::new().exposition();
    for outcome in ["resolved", "exhausted"] {
        let line = format!("euryale_conflicts_total{{outcome=\"{outcome}\",route=\"\"}} 0");
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_number_of_routes_is_bounded() {
    let counter = PerRoute::default();
    counter.add(None, 1);
    for number in 0..1000 {
        counter.add(Some(&Route::new(format!("/{number:03}"))), 1);
    }
    // Known ones go on being counted by name, and a route of that name is one of the others.
    counter.add(Some(&Route::new("/255")), 1);
    counter.add(Some(&Route::new("other")), 1);
    let counts = counter.by_route();
    assert_eq!(
        counts.len(),
        258,
        "256 by name, the others, and those without"
    );
    assert_eq!(
        counts.iter().map(|(_, count)| count).sum::<u64>(),
        counter.get()
    );
    let of = |name: &str| {
        counts
            .iter()
            .find(|(found, _)| &**found == name)
            .map(|(_, count)| *count)
    };
    assert_eq!(
        (of(""), of("/000"), of("/255"), of("/256")),
        (Some(1), Some(1), Some(2), None)
    );
    assert_eq!(of("other"), Some(1000 - 256 + 1));
}
