use super::{ConflictBook, PerRoute};
use crate::ledger::Ledger;
use crate::request::Route;

#[test]
fn conflicts_are_counted_by_route() {
    let ledger = Ledger::new();
    let book = ledger.of::<ConflictBook>();
    let resolved = &book.resolved;
    let exhausted = &book.exhausted;
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
    let ledger = Ledger::new();
    let _book = ledger.of::<ConflictBook>();
    let text = ledger.exposition();
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
    // Known routes are still counted by name, and a route named `other` is counted with the others.
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
