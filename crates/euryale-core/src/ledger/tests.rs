use std::time::Duration;

use super::{DropReason, GaugeGuard, Histogram, Ledger};

#[test]
fn what_is_held_is_named() {
    let ledger = Ledger::new();
    let guards = [
        GaugeGuard::new(&ledger, |ledger| &ledger.queue.depth, 2),
        GaugeGuard::new(&ledger, |ledger| &ledger.connections.in_use, 1),
    ];
    assert_eq!(ledger.unsettled(), ["connections in use: 1", "queue depth: 2"]);
    drop(guards);
    assert!(ledger.unsettled().is_empty());
    assert_eq!(ledger.queue.depth.peak(), 2);
}

#[test]
fn begun_must_equal_ended() {
    let ledger = Ledger::new();
    ledger.transactions.begun.add(3);
    for ended in [&ledger.transactions.committed, &ledger.transactions.aborted, &ledger.transactions.in_doubt]
    {
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
    assert_eq!((counts[0], counts[1], counts[15]), (1, 2, 3));
    assert_eq!(histogram.count(), 4);
    assert_eq!(histogram.sum(), Duration::from_micros(21_000_201));
}

#[test]
fn the_exposition_is_prometheus_text() {
    let ledger = Ledger::new();
    ledger.connections.dropped.add(DropReason::Panicked, 2);
    ledger.publishers.running.add(3);
    ledger.publishers.running.add(-3);
    ledger.queue.wait_seconds.record(Duration::from_millis(2));
    let text = ledger.exposition();
    for line in [
        "euryale_connections_dropped_total{reason=\"panicked\"} 2",
        "euryale_publishers_running 0",
        "euryale_publishers_running_peak 3",
        "euryale_queue_wait_seconds_bucket{le=\"0.001\"} 0",
        "euryale_queue_wait_seconds_bucket{le=\"0.0025\"} 1",
        "euryale_queue_wait_seconds_bucket{le=\"+Inf\"} 1",
        "euryale_queue_wait_seconds_sum 0.002",
        "euryale_queue_wait_seconds_count 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    // Every sample stands below the type of its family, and a family has one type.
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
