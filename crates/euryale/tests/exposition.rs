//! The metrics as those read them for whom they are written: Prometheus' own client for Python.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use euryale::Ledger;
use euryale::blob::BlobBook;
use euryale::connection::PoolBook;
use euryale::deferred::DeferredBook;
use euryale::ledger::Histogram;
use euryale::promise::PromiseBook;
use euryale::publisher::ConflictBook;
use euryale::request::Route;
use euryale::spool::SpoolBook;
use euryale::tiles::TileBook;
use euryale::transaction::DropReason;
use euryale::transform::TransformBook;
use euryale_sendfile::SendfileBook;
use euryale_server::ServerBook;

/// What the parser lets pass is checked here: that each family says what it is, and that histograms
/// add up.
const READ: &str = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families as families

names, series = set(), set()
for family in families(sys.stdin.read()):
    assert family.name not in names, family.name
    names.add(family.name)
    assert family.documentation, f"{family.name} has no help"
    assert family.type in ("counter", "gauge", "histogram"), f"{family.name} is {family.type}"
    groups = {}
    for name, labels, value, *_ in family.samples:
        key = (name, tuple(sorted(labels.items())))
        assert key not in series, f"{key} is there twice"
        series.add(key)
        if family.type == "counter":
            assert name == family.name + "_total" and value >= 0, key
        elif family.type == "gauge":
            assert name == family.name, key
        else:
            le = labels.pop("le", None)
            group = groups.setdefault(tuple(sorted(labels.items())), {"buckets": []})
            if name.endswith("_bucket"):
                group["buckets"].append((float(le), value))
            else:
                group[name.removeprefix(family.name)] = value
        if name == "euryale_conflicts_total" and value == 7:
            print("route", labels["route"].encode().hex())
    for labels, group in groups.items():
        assert group["buckets"] == sorted(group["buckets"]), (family.name, labels)
        counts = [count for _, count in group["buckets"]]
        assert counts == sorted(counts), (family.name, labels, "is not cumulative")
        assert group["buckets"][-1] == (float("inf"), group["_count"]), (family.name, labels)
        assert group["_sum"] > 0 or group["_count"] == 0, (family.name, labels)
print("families", len(names))
print("series", len(series))
"#;

#[test]
fn prometheus_can_read_it() {
    const NASTY: &str = "a \\ \"b\"\nc {é}, d=\"e\"} 1";
    let Some(python) = euryale_test::python_with("prometheus_client") else {
        return euryale_test::skip("prometheus_client is not installed");
    };
    let ledger = Ledger::new();
    open_all(&ledger);
    for text in [ledger.exposition(), filled(&ledger, NASTY)] {
        let mut reader = Command::new(&python)
            .args(["-c", READ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // When it gives up early, it says why.
        let _ = reader.stdin.take().unwrap().write_all(text.as_bytes());
        let output = reader.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{}\n{text}",
            String::from_utf8_lossy(&output.stderr)
        );
        // None is lost on the way.
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        let families = text
            .lines()
            .filter(|line| line.starts_with("# TYPE "))
            .count();
        assert!(
            said.contains(&format!("families {families}\nseries {samples}\n")),
            "{said}\n{text}"
        );
        if text.contains("a \\\\") {
            let hex: String = NASTY.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(said.contains(&format!("route {hex}\n")), "{said}");
        }
    }
}

/// Every book, with its zeros.
fn open_all(ledger: &Ledger) {
    let _layers = (
        ledger.of::<BlobBook>(),
        ledger.of::<DeferredBook>(),
        ledger.of::<PromiseBook>(),
        ledger.of::<SpoolBook>(),
        ledger.of::<TileBook>(),
    );
    let _server = (ledger.of::<SendfileBook>(), ledger.of::<ServerBook>());
}

/// Something in each kind of family, and what must be escaped in each label that is not this
/// crate's own.
fn filled(ledger: &Ledger, nasty: &str) -> String {
    let pool = ledger.of::<PoolBook>();
    let conflicts = ledger.of::<ConflictBook>();
    let transforms = ledger.of::<TransformBook>();
    pool.connections.dropped.add(DropReason::Panicked, 2);
    pool.publishers.running.add(3);
    conflicts.resolved.add(Some(&Route::new(nasty)), 7);
    conflicts.exhausted.add(None, 1);
    ledger.lanes.of("files").refused.add(1);
    for bound in Histogram::BOUNDS.iter().chain([&3600.0]) {
        let duration = Duration::from_secs_f64(*bound);
        pool.queue.wait_seconds.record(duration);
        transforms.by_name.of(nasty).seconds.record(duration);
    }
    transforms.by_name.of("theme").failures.add(1);
    ledger.exposition()
}
