//! Tests of the server's errors and their classification.

use std::time::Duration;

use euryale_core::error::{APPLICATION, CONFLICT, STORAGE_FULL, UNAVAILABLE};
use euryale_core::transaction::{Access, DropReason, Fault};
use euryale_core::{Abort, Database};
use euryale_test::engines::Postgres as Server;

use super::{SCHEMA, Worker, committed, counters, increment, value};
use crate::{Isolation, Postgres};

#[test]
fn a_row_that_was_changed_since_is_a_conflict() {
    let Some(database) = counters() else {
        return;
    };
    let mut first = Worker::new(&database);
    let mut second = Worker::new(&database);
    let error = first
        .run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            let before = value(connection, 1)?;
            second.run_well(Access::Write, |transaction| {
                Ok(increment(transaction.connection()?, 1)?)
            });
            let set = "UPDATE counter SET value = $1 WHERE id = 1";
            connection.execute(set, &[&(before + 1)])?;
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(first.is_reusable());
    assert_eq!(committed(&database, 1), 1);
}

#[test]
fn write_skew_is_a_conflict_at_the_commit_of_a_serializable_transaction() {
    let Some(database) = counters() else {
        return;
    };
    let database = database.isolation(Isolation::Serializable);
    let mut first = Worker::new(&database);
    let mut second = Worker::new(&database);
    // Each transaction reads the row that the other one writes.
    let error = first
        .run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            value(connection, 2)?;
            increment(connection, 1)?;
            second.run_well(Access::Write, |transaction| {
                let connection = transaction.connection()?;
                value(connection, 1)?;
                Ok(increment(connection, 2)?)
            });
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert!(first.is_reusable());
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn one_of_two_that_wait_for_each_other_is_a_conflict() {
    let Some(database) = counters() else {
        return;
    };
    let both = std::sync::Barrier::new(2);
    let deadlock = |first: i32, second: i32| {
        let mut worker = Worker::new(&database);
        worker.run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            connection.batch_execute("SET LOCAL deadlock_timeout = '10ms'")?;
            increment(connection, first)?;
            both.wait();
            Ok(increment(connection, second)?)
        })
    };
    let results = std::thread::scope(|scope| {
        let other = scope.spawn(|| deadlock(2, 1).map_err(|error| error.code()));
        [
            deadlock(1, 2).map_err(|error| error.code()),
            other.join().unwrap(),
        ]
    });
    let lost: Vec<_> = results.iter().filter_map(|result| result.err()).collect();
    assert_eq!(lost, [CONFLICT]);
    assert_eq!(committed(&database, 1), 1);
}

#[test]
fn a_lock_is_a_conflict_only_if_this_crate_bounds_the_wait() {
    let Some(database) = counters() else {
        return;
    };
    let wait = |database: &Postgres, f: &dyn Fn(&mut crate::Connection) -> Result<(), Abort>| {
        let mut holder = Worker::new(database);
        let mut waiting = Worker::new(database);
        holder.run_well(Access::Write, |transaction| {
            increment(transaction.connection()?, 1)?;
            let error = waiting
                .run(Access::Write, |transaction| f(transaction.connection()?))
                .unwrap_err();
            Ok(error.code())
        })
    };
    let nowait = |connection: &mut crate::Connection| {
        let sql = "SELECT 1 FROM counter WHERE id = 1 FOR UPDATE NOWAIT";
        connection.query(sql, &[])?;
        Ok(())
    };
    assert_eq!(wait(&database, &nowait), APPLICATION);
    let bounded = database.lock_timeout(Duration::from_millis(10));
    let update = |connection: &mut crate::Connection| {
        increment(connection, 1)?;
        Ok(())
    };
    assert_eq!(wait(&bounded, &update), CONFLICT);
}

#[test]
fn a_writer_on_a_server_that_became_read_only_replaces_every_connection() {
    let Some(primary) = Server::start() else {
        return;
    };
    let database = Postgres::open(&primary.url("postgres")).unwrap();
    database.migrate(&[SCHEMA]).unwrap();
    let standby = primary.replica();
    let database = Postgres::open(&standby.url("postgres")).unwrap();
    let mut worker = Worker::new(&database);
    let read = |worker: &mut Worker| {
        worker.run(Access::Read, |transaction| {
            Ok(value(transaction.connection()?, 1)?)
        })
    };
    assert_eq!(read(&mut worker).unwrap(), 0);
    let mut idle = database.connect().unwrap();
    assert!(database.is_reusable(&mut idle));
    let error = worker
        .run(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        })
        .unwrap_err();
    assert_eq!(error.code(), UNAVAILABLE);
    assert_eq!(worker.lender.dropped(DropReason::Disconnected), 1);
    assert_eq!(worker.book.demoted.get(), 1);
    standby.promote();
    assert_eq!(read(&mut worker).unwrap(), 0);
    worker.run_well(Access::Write, |transaction| {
        Ok(increment(transaction.connection()?, 1)?)
    });
}

#[test]
fn a_full_disk_is_a_separate_fault() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    // The error of a server whose file cannot grow.
    let error = worker
        .run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            increment(connection, 1)?;
            let raise = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' \
                USING ERRCODE = 'disk_full'; END $$";
            Ok(connection.batch_execute(raise)?)
        })
        .unwrap_err();
    assert_eq!(error.code(), STORAGE_FULL);
    assert!(worker.is_reusable());
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn an_error_of_the_application_keeps_its_code_and_hides_its_rows() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.connect().unwrap();
    let insert = "INSERT INTO counter VALUES (1, 0)";
    let error = connection.execute(insert, &[]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
    assert_eq!(database.classify(&error), Fault::Other);
    let text = error.to_string();
    assert!(
        text.contains("counter_pkey") && !text.contains("(1)"),
        "{text}"
    );
    let wrong = connection.query("SELECT $1::int", &[&"text"]).unwrap_err();
    assert_eq!(database.classify(&wrong), Fault::Other);
    assert!(database.is_reusable(&mut connection));
    // The text cannot be sent, and the connection is in the middle of a transaction.
    let mut worker = Worker::new(&database);
    let error = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        let error = connection.query("SELECT '\0'", &[]).unwrap_err();
        assert_eq!(database.classify(&error), Fault::Other);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(database.classify(source), Fault::Other);
        connection.query("SELECT '\0'", &[])?;
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), APPLICATION);
    assert!(worker.is_reusable());
    assert_eq!(worker.lender.dropped(DropReason::Disconnected), 0);
}
