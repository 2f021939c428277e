//! `/metrics` is an interface: dashboards and alerts depend on its names.

use super::{Running, get};

/// Every line of a site that has just started, without the values and sorted: names, help, types,
/// labels, and the series that exist before anything was counted.
const STORED: &str = include_str!("metrics.txt");

/// A change here needs an entry in the changelog: it changes what operators see.
#[test]
fn metrics_have_the_stored_names_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    // Warmed up, so that the trimming of the heap has begun.
    get(site.public[0], "/").unwrap();
    let answer = get(site.admin, "/metrics").unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| match line.rsplit_once(' ') {
            Some((series, _value)) if !line.starts_with('#') => series,
            _ => line,
        })
        .collect();
    lines.sort_unstable();
    let stored: Vec<&str> = STORED.lines().collect();
    let missing: Vec<_> = stored.iter().filter(|line| !lines.contains(line)).collect();
    let new: Vec<_> = lines.iter().filter(|line| !stored.contains(line)).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "missing {missing:#?}, new {new:#?}"
    );
    assert_eq!(lines.len(), stored.len(), "no series twice");
    site.end_well();
}
