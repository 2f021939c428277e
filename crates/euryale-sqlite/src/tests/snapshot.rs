//! Tests of transactions that see the same state, and of their failures.

use euryale_core::error::{Pending, SUSPENDED};
use euryale_core::transaction::{Access, Attempt, History, SnapshotPin, TransactionOptions};
use euryale_core::{Abort, BoxError, Database};

use super::{Worker, counter, increment_and_commit, value};
use crate::Sqlite;

fn pass(pin: &SnapshotPin) -> TransactionOptions {
    TransactionOptions::new(Attempt::new(History::default()), Access::Read).pin(pin.clone())
}

/// Returns the counter that a suspended pass sees.
fn suspended(worker: &mut Worker, pin: &SnapshotPin) -> i64 {
    let mut seen = -1;
    let result = worker.run_with(pass(pin), |transaction| -> Result<(), Abort> {
        seen = value(transaction.connection()?);
        Err(Pending::new(()).into())
    });
    assert_eq!(result.unwrap_err().code(), SUSPENDED);
    seen
}

/// Returns the counts of `pinned`, `gone` and `unsupported`.
fn counts(worker: &Worker) -> [u64; 3] {
    let snapshots = &worker.ledger.snapshots;
    [&snapshots.pinned, &snapshots.gone, &snapshots.unsupported]
        .map(euryale_core::ledger::Counter::get)
}

fn write(sqlite: &Sqlite) {
    let mut writer = sqlite.connect().unwrap();
    increment_and_commit(sqlite, &mut writer);
}

#[cfg(not(feature = "snapshot"))]
#[test]
fn without_the_feature_each_pass_sees_its_own_state() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let pin = SnapshotPin::new();
    assert_eq!(suspended(&mut worker, &pin), 0);
    write(&sqlite);
    assert_eq!(suspended(&mut worker, &pin), 1);
    assert_eq!(counts(&worker), [0, 0, 1], "once for a request");
}

#[cfg(feature = "snapshot")]
#[test]
fn later_passes_see_the_state_of_the_first_on_any_connection() {
    let (_folder, sqlite) = counter();
    // This connection keeps the log from being removed with the last other one.
    let keeper = sqlite.connect().unwrap();
    write(&sqlite);
    let pin = SnapshotPin::new();
    let mut first = Worker::new(&sqlite);
    let mut second = Worker::new(&sqlite);
    assert_eq!(suspended(&mut first, &pin), 1);
    write(&sqlite);
    assert_eq!(
        suspended(&mut second, &pin),
        1,
        "by a connection that has read nothing before"
    );
    write(&sqlite);
    assert_eq!(suspended(&mut first, &pin), 1);
    assert_eq!(counts(&first), [1, 0, 0]);
    assert_eq!(counts(&second), [1, 0, 0]);
    // Another request on the same connection sees the current state.
    assert_eq!(suspended(&mut first, &SnapshotPin::new()), 3);
    // A pass that writes also sees the current state.
    let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write).pin(pin);
    let seen = first.run_with(options, |transaction| Ok(value(transaction.connection()?)));
    assert!(
        matches!(seen, Ok(euryale_core::transaction::Outcome::Committed(3))),
        "{seen:?}"
    );
    drop(keeper);
}

#[cfg(feature = "snapshot")]
#[test]
fn a_snapshot_that_a_checkpoint_discarded_is_gone() {
    let (_folder, sqlite) = counter();
    let keeper = sqlite.connect().unwrap();
    write(&sqlite);
    let mut worker = Worker::new(&sqlite);
    let pin = SnapshotPin::new();
    assert_eq!(suspended(&mut worker, &pin), 1);
    keeper
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    write(&sqlite);
    assert_eq!(suspended(&mut worker, &pin), 2, "the present state");
    assert_eq!(counts(&worker), [0, 1, 0]);
    write(&sqlite);
    assert_eq!(suspended(&mut worker, &pin), 3);
    assert_eq!(counts(&worker), [0, 1, 0], "once for a request");
}

#[cfg(feature = "snapshot")]
#[test]
fn a_state_without_a_snapshot_is_unsupported() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let pin = SnapshotPin::new();
    assert_eq!(suspended(&mut worker, &pin), 0, "the log is new");
    write(&sqlite);
    assert_eq!(suspended(&mut worker, &pin), 1);
    assert_eq!(counts(&worker), [0, 0, 1]);
}

/// A snapshot of another database is not accepted.
#[test]
fn a_snapshot_of_another_database_is_not_accepted() -> Result<(), BoxError> {
    let (_folder, sqlite) = counter();
    let mut connection = sqlite.connect()?;
    assert!(!sqlite.begin_at(
        &mut connection,
        Access::Read.into(),
        &euryale_core::transaction::Snapshot::new("foreign")
    )?);
    assert!(sqlite.is_reusable(&mut connection));
    Ok(())
}
