//! Tests of beginning and ending transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use euryale_core::error::{APPLICATION, STORAGE_FULL};
use rusqlite::ffi;
use rusqlite::hooks::{AuthContext, Authorization};

use super::*;
use crate::TransactionEnded;

#[test]
fn a_reader_sees_the_state_in_which_it_began() {
    let (_folder, sqlite) = counter();
    let mut reader = sqlite.connect().unwrap();
    let mut writer = sqlite.connect().unwrap();
    sqlite.begin(&mut reader, Access::Read.into()).unwrap();
    increment_and_commit(&sqlite, &mut writer);
    assert_eq!(
        value(&reader),
        0,
        "its first query comes after the other's commit"
    );
    sqlite.commit(&mut reader).unwrap();

    sqlite.begin(&mut reader, Access::Read.into()).unwrap();
    assert_eq!(value(&reader), 1);
    increment(&reader).unwrap();
    sqlite.commit(&mut reader).unwrap();
    assert_eq!(value(&writer), 2, "access is a hint, not a ban");
}

#[test]
fn readers_and_a_writer_do_not_wait_for_each_other() {
    let (_folder, sqlite) = counter();
    let mut connections = [0; 3].map(|_| sqlite.connect().unwrap());
    let [reader, writer, second] = &mut connections;
    sqlite.begin(reader, Access::Read.into()).unwrap();
    sqlite.begin(writer, Access::Write.into()).unwrap();
    increment(writer).unwrap();
    sqlite.begin(second, Access::Read.into()).unwrap();
    assert_eq!((value(reader), value(writer), value(second)), (0, 1, 0));
    sqlite.commit(writer).unwrap();
    assert_eq!((value(reader), value(second)), (0, 0));
    sqlite.commit(reader).unwrap();
    sqlite.abort(second).unwrap();
}

#[test]
fn a_refused_commit_is_aborted_and_its_connection_is_reused() {
    let (_folder, sqlite) = counter();
    let steps = "CREATE TABLE child (parent INTEGER REFERENCES counter DEFERRABLE INITIALLY \
        DEFERRED) STRICT";
    sqlite.migrate(&[SCHEMA, steps]).unwrap();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        connection.execute("INSERT INTO child VALUES (7)", [])?;
        Ok(())
    });
    let error = result.unwrap_err();
    assert_eq!(error.code(), APPLICATION);
    let refusal = error.source().unwrap();
    assert_eq!(extended_code(refusal), ffi::SQLITE_CONSTRAINT_FOREIGNKEY);

    let next = worker.run(Access::Read, |transaction| {
        Ok(value(transaction.connection()?))
    });
    assert!(matches!(next, Ok(Outcome::Committed(0))));
    assert_eq!(worker.source.opened, 1);
}

#[test]
fn a_publisher_cannot_commit() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        let refused = connection.execute_batch("COMMIT").unwrap_err();
        assert_eq!(extended_code(&refused), ffi::SQLITE_CONSTRAINT_COMMITHOOK);
        // The publisher ignores the error and continues.
        let late = increment(connection).unwrap_err();
        assert_eq!(extended_code(&late), ffi::SQLITE_CONSTRAINT_COMMITHOOK);
        Ok(())
    });
    assert_ended_early(&result.unwrap_err());
    assert_nothing_written(&mut worker);
}

#[test]
fn a_publisher_that_commits_before_it_writes_cannot_write() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Read, |transaction| {
        let connection = transaction.connection()?;
        connection.execute_batch("COMMIT")?;
        let late = increment(connection).unwrap_err();
        assert_eq!(extended_code(&late), ffi::SQLITE_CONSTRAINT_COMMITHOOK);
        Ok(())
    });
    assert_ended_early(&result.unwrap_err());
    assert_nothing_written(&mut worker);
}

#[test]
fn a_publisher_that_begins_again_cannot_commit_the_second_half() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        let refused = connection.execute_batch("COMMIT");
        assert!(refused.is_err());
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(increment(connection)?)
    });
    assert_ended_early(&result.unwrap_err());
    assert_nothing_written(&mut worker);
}

#[test]
fn an_ignored_error_after_which_sqlite_rolls_back_is_detected() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        let twice = connection.execute("INSERT OR ROLLBACK INTO counter VALUES (1, 1)", []);
        assert!(twice.is_err() && connection.is_autocommit());
        Ok(())
    });
    assert_ended_early(&result.unwrap_err());
    assert_nothing_written(&mut worker);

    let passed_on = worker.run(Access::Write, |transaction| {
        let insert = "INSERT OR ROLLBACK INTO counter VALUES (1, 1)";
        Ok(transaction.connection()?.execute(insert, [])?)
    });
    let error = passed_on.unwrap_err();
    let kept = error.source().unwrap();
    assert_eq!(extended_code(kept), ffi::SQLITE_CONSTRAINT_PRIMARYKEY);
    assert!(
        worker.source.discarded.is_empty(),
        "abort copes with either"
    );
}

fn assert_ended_early(error: &Error) {
    assert_eq!(error.code(), APPLICATION);
    assert!(error.source().unwrap().is::<TransactionEnded>());
}

fn assert_nothing_written(worker: &mut Worker) {
    let next = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        let before = value(connection);
        increment(connection)?;
        Ok(before)
    });
    assert!(matches!(next, Ok(Outcome::Committed(0))));
    assert_eq!(worker.source.opened, 1, "the connection serves on");
}

#[test]
fn a_publisher_that_rolls_back_cannot_commit_later_writes() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        connection.execute_batch("ROLLBACK")?;
        assert!(increment(connection).is_err());
        Ok(())
    });
    assert_ended_early(&result.unwrap_err());
    assert_nothing_written(&mut worker);
}

#[test]
fn a_connection_is_closed_with_its_transaction_open() {
    let (_folder, sqlite) = counter();
    let mut connection = sqlite.connect().unwrap();
    sqlite.begin(&mut connection, Access::Write.into()).unwrap();
    increment(&connection).unwrap();
    drop(connection);
    assert_eq!(value(&sqlite.connect().unwrap()), 0);
}

#[test]
fn a_savepoint_undoes_a_part() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        let mut part = connection.savepoint()?;
        increment(&part)?;
        part.rollback()?;
        part.commit()?;
        Ok(())
    });
    assert!(matches!(result, Ok(Outcome::Committed(()))));
    assert_eq!(value(worker.connection.as_ref().unwrap()), 1);
}

#[test]
fn a_job_without_a_transaction_may_commit_itself() {
    let (_folder, sqlite) = counter();
    let mut connection = sqlite.connect().unwrap();
    increment(&connection).unwrap();
    let own = connection.transaction().unwrap();
    increment(&own).unwrap();
    own.commit().unwrap();
    assert!(sqlite.is_reusable(&mut connection));
    assert_eq!(value(&connection), 2);

    connection.execute_batch("BEGIN").unwrap();
    assert!(
        !sqlite.is_reusable(&mut connection),
        "it left a transaction open"
    );
}

#[test]
fn a_full_database_writes_again_when_there_is_room() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let grow = |transaction: &mut Transaction<'_, Sqlite>| {
        let connection = transaction.connection()?;
        connection.execute_batch("CREATE TABLE big AS SELECT zeroblob(1000000) AS data")?;
        Ok(())
    };
    let limit = |worker: &mut Worker, pages: u32| {
        let connection = worker.connection.as_ref().unwrap();
        let pragma = format!("PRAGMA max_page_count = {pages}");
        connection.query_row(&pragma, [], |_| Ok(())).unwrap();
    };
    assert!(
        worker
            .run(Access::Read, |transaction| Ok(transaction
                .connection()
                .map(drop)?))
            .is_ok()
    );
    limit(&mut worker, 10);
    let error = worker.run(Access::Write, grow).unwrap_err();
    assert_eq!(error.code(), STORAGE_FULL);
    assert_eq!(extended_code(error.source().unwrap()), ffi::SQLITE_FULL);

    limit(&mut worker, 10_000);
    assert!(worker.run(Access::Write, grow).is_ok());
    assert_eq!(worker.source.opened, 1);
}

#[test]
fn statements_stay_prepared_from_transaction_to_transaction() {
    // SQLite calls the authorizer only when it prepares a statement.
    let asked = Arc::new(AtomicU32::new(0));
    let (_folder, sqlite) = counter();
    let count = Arc::clone(&asked);
    let sqlite = sqlite.statement_cache(2).on_connect(move |raw| {
        let count = Arc::clone(&count);
        raw.authorizer(Some(move |_: AuthContext<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            Authorization::Allow
        }))
    });
    let mut worker = Worker::new(&sqlite);
    let mut prepared_by = |access| {
        let before = asked.load(Ordering::Relaxed);
        let result = worker.run(access, |transaction| {
            let connection = transaction.connection()?;
            value(connection);
            Ok(increment(connection)?)
        });
        assert!(result.is_ok());
        asked.load(Ordering::Relaxed) - before
    };
    assert!(prepared_by(Access::Read) > 0);
    assert!(prepared_by(Access::Write) > 0, "BEGIN IMMEDIATE is new");
    assert_eq!(prepared_by(Access::Read), 0);
    assert_eq!(prepared_by(Access::Write), 0);
}

#[test]
fn the_connection_with_the_most_transactions_is_the_warmest() {
    let (_folder, sqlite) = counter();
    let mut connection = sqlite.connect().unwrap();
    assert_eq!(sqlite.warmth(&connection), 0);
    for access in [Access::Read, Access::Write] {
        sqlite.begin(&mut connection, access.into()).unwrap();
        sqlite.abort(&mut connection).unwrap();
    }
    assert_eq!(sqlite.warmth(&connection), 2);
}
