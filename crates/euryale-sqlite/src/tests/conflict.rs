//! Tests of conflicting transactions and their errors.

use std::fmt;
use std::time::Instant;

use euryale_core::error::CONFLICT;
use rusqlite::ffi;

use super::*;

#[test]
fn a_stale_snapshot_is_a_conflict() {
    let (_folder, sqlite) = counter();
    let mut other = sqlite.connect().unwrap();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Read, |transaction| {
        let connection = transaction.connection()?;
        increment_and_commit(&sqlite, &mut other);
        let error = increment(connection).unwrap_err();
        assert_eq!(extended_code(&error), ffi::SQLITE_BUSY_SNAPSHOT);
        Err::<(), _>(error.into())
    });
    let error = result.unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(error.wrote(), "the next attempt begins as a writer");
    assert!(
        worker.source.discarded.is_empty(),
        "the connection is sound"
    );

    // As a writer it sees the other transaction's write.
    let next = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        Ok(value(connection))
    });
    assert!(matches!(next, Ok(Outcome::Committed(2))));
    assert_eq!(worker.source.opened, 1);
}

#[test]
fn an_upgrade_while_another_writes_is_a_conflict_at_once() {
    let (_folder, sqlite) = counter();
    // Waiting for this long would fail the test.
    let patient = sqlite.clone().busy_timeout(Duration::from_secs(3600));
    let mut other = sqlite.connect().unwrap();
    sqlite.begin(&mut other, Access::Write.into()).unwrap();
    let mut worker = Worker::new(&patient);
    let result = worker.run(Access::Read, |transaction| {
        let error = increment(transaction.connection()?).unwrap_err();
        assert_eq!(extended_code(&error), ffi::SQLITE_BUSY);
        Err::<(), _>(error.into())
    });
    let error = result.unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(error.wrote());
    sqlite.abort(&mut other).unwrap();
}

#[test]
fn a_second_writer_waits_for_the_busy_timeout_and_is_a_conflict() {
    let (_folder, sqlite) = counter();
    let timeout = Duration::from_millis(30);
    let mut first = sqlite.connect().unwrap();
    sqlite.begin(&mut first, Access::Write.into()).unwrap();

    let mut worker = Worker::new(&sqlite.clone().busy_timeout(timeout));
    let start = Instant::now();
    let result = worker.run(Access::Write, |transaction| {
        transaction.connection()?;
        Ok(())
    });
    assert!(start.elapsed() >= timeout);
    let error = result.unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(error.wrote());
    assert!(
        worker.source.discarded.is_empty(),
        "a busy database is no fault of the connection's"
    );

    sqlite.abort(&mut first).unwrap();
    let next = worker.run(Access::Write, |transaction| {
        Ok(increment(transaction.connection()?)?)
    });
    assert!(matches!(next, Ok(Outcome::Committed(1))));
}

#[test]
fn an_applications_own_error_does_not_hide_a_conflict() {
    #[derive(Debug)]
    struct SaveFailed(rusqlite::Error);

    impl fmt::Display for SaveFailed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("could not save")
        }
    }

    impl StdError for SaveFailed {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    let (_folder, sqlite) = counter();
    let mut other = sqlite.connect().unwrap();
    sqlite.begin(&mut other, Access::Write.into()).unwrap();
    let mut worker = Worker::new(&sqlite);
    let result = worker.run(Access::Read, |transaction| {
        increment(transaction.connection()?).map_err(SaveFailed)?;
        Ok(())
    });
    assert_eq!(result.unwrap_err().code(), CONFLICT);
}

#[test]
fn a_commit_that_is_busy_is_a_conflict_and_is_rolled_back() {
    let (folder, sqlite) = counter();
    // The second file has a rollback journal, with which a reader prevents a writer from
    // committing.
    let second = folder.path().join("second.db");
    let reader = rusqlite::Connection::open(&second).unwrap();
    reader
        .execute_batch("CREATE TABLE log (line TEXT) STRICT; BEGIN; SELECT count(*) FROM log")
        .unwrap();
    let sqlite = sqlite.on_connect(move |raw| {
        raw.execute("ATTACH ?1 AS second", [second.to_str()])
            .map(drop)
    });
    let mut worker = Worker::new(&sqlite);
    let attempt = |transaction: &mut Transaction<'_, Sqlite>| {
        let connection = transaction.connection()?;
        increment(connection)?;
        Ok(connection.execute("INSERT INTO second.log VALUES ('incremented')", [])?)
    };
    let error = worker.run(Access::Write, attempt).unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(error.wrote());
    assert_eq!(value(worker.connection.as_ref().unwrap()), 0);

    reader.execute_batch("COMMIT").unwrap();
    let next = worker.run(Access::Write, attempt);
    assert!(matches!(next, Ok(Outcome::Committed(1))));
    assert_eq!(value(worker.connection.as_ref().unwrap()), 1);
    assert_eq!(worker.source.opened, 1);
}

#[test]
fn each_result_code_has_its_fault() {
    let (_folder, sqlite) = counter();
    let cases = [
        (ffi::SQLITE_BUSY, Fault::Conflict),
        (ffi::SQLITE_BUSY_RECOVERY, Fault::Conflict),
        (ffi::SQLITE_BUSY_SNAPSHOT, Fault::Conflict),
        (ffi::SQLITE_LOCKED, Fault::Conflict),
        (ffi::SQLITE_LOCKED_SHAREDCACHE, Fault::Conflict),
        (ffi::SQLITE_IOERR, Fault::Disconnected),
        (ffi::SQLITE_IOERR_FSYNC, Fault::Disconnected),
        (ffi::SQLITE_CANTOPEN, Fault::Disconnected),
        (ffi::SQLITE_NOTADB, Fault::Disconnected),
        (ffi::SQLITE_CORRUPT, Fault::Disconnected),
        (ffi::SQLITE_READONLY_DBMOVED, Fault::Disconnected),
        (ffi::SQLITE_READONLY, Fault::Other),
        (ffi::SQLITE_FULL, Fault::Full),
        (ffi::SQLITE_CONSTRAINT, Fault::Other),
        (ffi::SQLITE_INTERRUPT, Fault::Elapsed),
        (ffi::SQLITE_SCHEMA, Fault::Other),
    ];
    for (code, expected) in cases {
        let bare = ffi::Error::new(code);
        assert_eq!(sqlite.classify(&bare), expected, "{code}");
        let met = rusqlite::Error::SqliteFailure(bare, None);
        assert_eq!(sqlite.classify(&met), expected, "{code}");
    }
    assert_eq!(
        sqlite.classify(&rusqlite::Error::QueryReturnedNoRows),
        Fault::Other
    );
    assert_eq!(sqlite.classify(&crate::TransactionEnded), Fault::Other);
}

#[test]
fn writers_of_a_process_take_turns_in_order_of_arrival() {
    let (_folder, sqlite) = counter();
    let patient = sqlite.clone().busy_timeout(Duration::from_secs(60));
    let mut first = patient.connect().unwrap();
    patient.begin(&mut first, Access::Write.into()).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let patient = &patient;
            let order = &order;
            scope.spawn(move || {
                let mut connection = patient.connect().unwrap();
                patient
                    .begin(&mut connection, Access::Write.into())
                    .unwrap();
                order.lock().unwrap().push(number);
                increment(&connection).unwrap();
                patient.commit(&mut connection).unwrap();
            });
            let waiting = format!("Turns {{ waiting: {}, .. }}", number + 1);
            let deadline = Instant::now() + Duration::from_secs(30);
            while format!("{:?}", patient.turns()) != waiting {
                assert!(Instant::now() < deadline, "{:?}", patient.turns());
                std::thread::yield_now();
            }
        }
        // A writer that gives up leaves the queue.
        let hasty = patient.clone().busy_timeout(Duration::from_millis(5));
        let mut connection = hasty.connect().unwrap();
        let error = hasty
            .begin(&mut connection, Access::Write.into())
            .unwrap_err();
        assert_eq!(
            hasty.classify(&*error),
            euryale_core::transaction::Fault::Conflict
        );
        patient.commit(&mut first).unwrap();
    });
    assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    assert_eq!(value(&first), 8);
}

#[test]
fn a_turn_ends_however_its_transaction_does() {
    let (_folder, sqlite) = counter();
    let hasty = sqlite.clone().busy_timeout(Duration::ZERO);
    let begin = || {
        let mut connection = hasty.connect().unwrap();
        hasty
            .begin(&mut connection, Access::Write.into())
            .expect("nobody has the turn");
        connection
    };
    let mut connection = begin();
    hasty.commit(&mut connection).unwrap();
    let mut connection = begin();
    hasty.abort(&mut connection).unwrap();
    drop(begin());
    let mut connection = begin();
    connection.execute_batch("ROLLBACK").unwrap();
    assert!(hasty.commit(&mut connection).is_err());
    // The lock of another process is not part of our turns. Our turn is released after the failure.
    let other = rusqlite::Connection::open(hasty.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(
        hasty
            .begin(&mut hasty.connect().unwrap(), Access::Write.into())
            .is_err()
    );
    other.execute_batch("COMMIT").unwrap();
    begin();
}
