//! Tests of hooks that see the writes of a transaction and may abort it.

use euryale_core::error::CONFLICT;

use super::*;
use crate::Rows;

/// A hook that aborts safe requests that have written, unless they declared it.
fn guard(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), Abort> {
    let is_declared = transaction.declared_writable();
    if !is_declared && transaction.has_begun() && transaction.connection()?.has_written() {
        return Err(Abort::status(http::StatusCode::FORBIDDEN));
    }
    Ok(())
}

fn write(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), Abort> {
    increment(transaction.connection()?)?;
    Ok(())
}

/// Runs a transaction in which `write` writes, under the guard. Returns its result and the counter
/// afterwards.
fn guarded(
    write: impl FnOnce(&mut Transaction<'_, Sqlite>) -> Result<(), Abort>,
) -> (Result<Outcome<()>, Error>, i64) {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let outcome = worker.run(Access::Read, |transaction| {
        transaction.before_commit(guard);
        write(transaction)
    });
    let value = value(&sqlite.connect().unwrap());
    (outcome, value)
}

#[test]
fn a_write_on_read_is_aborted_unless_it_was_declared() {
    let (outcome, value) = guarded(write);
    assert!(
        !matches!(outcome, Ok(Outcome::Committed(()))) && value == 0,
        "{outcome:?}"
    );
    let (outcome, value) = guarded(|transaction| {
        transaction.writable()?;
        write(transaction)
    });
    assert!(
        matches!(outcome, Ok(Outcome::Committed(()))) && value == 1,
        "{outcome:?}"
    );
    let (outcome, value) =
        guarded(|transaction| transaction.connection().map(|_| ()).map_err(Abort::from));
    assert!(
        matches!(outcome, Ok(Outcome::Committed(()))) && value == 0,
        "it only read: {outcome:?}"
    );
    let (outcome, _) = guarded(|_| Ok(()));
    assert!(
        matches!(outcome, Ok(Outcome::Committed(()))),
        "nor did this: {outcome:?}"
    );
}

#[test]
fn an_attempt_after_a_conflict_has_declared_nothing() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let mut other = sqlite.connect().unwrap();
    let conflict = worker.run(Access::Read, |transaction| {
        transaction.connection()?;
        increment_and_commit(&sqlite, &mut other);
        write(transaction)
    });
    assert_eq!(conflict.unwrap_err().code(), CONFLICT);
    let options = TransactionOptions::new(
        Attempt::new(History::default().after_conflict(true)),
        Access::Write,
    );
    let outcome = worker.run_with(options, |transaction| {
        transaction.before_commit(guard);
        write(transaction)
    });
    assert!(
        !matches!(outcome, Ok(Outcome::Committed(()))),
        "{outcome:?}"
    );
    assert_eq!(value(&other), 1);
}

#[test]
fn the_write_set_counts_rows_by_table() {
    let (_folder, sqlite) = counter();
    let sqlite = sqlite.write_sets();
    let mut connection = sqlite.connect().unwrap();
    for _ in 0..2 {
        sqlite.begin(&mut connection, Access::Write.into()).unwrap();
        assert!(
            !connection.has_written() && connection.write_set().is_empty(),
            "anew in each transaction"
        );
        increment(&connection).unwrap();
        connection
            .execute("INSERT INTO counter VALUES (2, 5), (3, 6)", [])
            .unwrap();
        connection
            .execute("DELETE FROM counter WHERE id > 1", [])
            .unwrap();
        assert!(connection.has_written());
        let written = connection.write_set();
        let rows = Rows {
            inserted: 2,
            updated: 1,
            deleted: 2,
        };
        assert_eq!(written.tables().collect::<Vec<_>>(), [("counter", rows)]);
        sqlite.commit(&mut connection).unwrap();
    }
}

#[test]
fn writes_are_detected_without_write_sets() {
    let (_folder, sqlite) = counter();
    let mut connection = sqlite.connect().unwrap();
    for statement in [
        "DELETE FROM counter",
        "REPLACE INTO counter VALUES (1, 7)",
        "UPDATE counter SET value = 1",
    ] {
        sqlite.begin(&mut connection, Access::Write.into()).unwrap();
        connection.execute(statement, []).unwrap();
        assert!(connection.has_written(), "{statement}");
        assert!(connection.write_set().is_empty());
        sqlite.abort(&mut connection).unwrap();
    }
}
