//! Tests of statements that are stopped, by the server or by a cancel.

use std::time::{Duration, Instant};

use euryale_core::error::{CLIENT_GONE, PUBLISH_ELAPSED};
use euryale_core::transaction::{Access, DropReason, Stopped};

use super::{Worker, committed, counters, increment, value};

const LONG: &str = "SELECT pg_sleep(60)";

/// Returns whether the server runs the long statement.
fn runs(database: &crate::Postgres) -> bool {
    use euryale_core::Database;
    let mut connection = database.connect().unwrap();
    let sql = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND state = 'active' AND query = $1";
    let count: i64 = connection.query_one(sql, &[&LONG]).unwrap().get(0);
    count > 0
}

#[test]
fn the_server_ends_a_statement_at_the_deadline() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for access in [Access::Read, Access::Write] {
        let begin = Instant::now();
        worker
            .lender
            .next_job(Some(begin + Duration::from_millis(100)));
        let error = worker
            .run(access, |transaction| {
                let connection = transaction.connection()?;
                connection.query(LONG, &[])?;
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.code(), PUBLISH_ELAPSED);
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    // The next job has its own deadline, or none.
    worker.lender.next_job(None);
    let timeout = worker.run_well(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        let row = connection.query_one("SHOW statement_timeout", &[])?;
        Ok(row.get::<_, String>(0))
    });
    assert_eq!(timeout, "0");
}

#[test]
fn a_cancel_ends_the_statement_and_the_connection() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let switch = worker.lender.switch();
    let begin = Instant::now();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !runs(&database) {
                std::thread::yield_now();
            }
            assert!(switch.fire(Stopped::ClientGone));
        });
        worker.run(Access::Read, |transaction| {
            transaction.connection()?.query(LONG, &[])?;
            Ok(())
        })
    });
    assert_eq!(error.unwrap_err().code(), CLIENT_GONE);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(worker.lender.dropped(DropReason::Interrupted), 1);
    assert!(!runs(&database));
    // The statement may end before the thread of the cancel has counted it.
    let until = Instant::now() + Duration::from_secs(10);
    while worker.book.cancelled.get() == 0 && Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(worker.book.cancelled.get(), 1);
    assert_eq!(worker.book.not_cancelled.get(), 0);
    worker.lender.next_job(None);
    let found = worker.run_well(Access::Read, |transaction| {
        Ok(value(transaction.connection()?, 1)?)
    });
    assert_eq!(found, 0);
}

#[test]
fn a_cancel_that_arrives_before_its_statement_is_sent_again() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let switch = worker.lender.switch();
    let cancels = database.state.canceller().stick();
    let begin = Instant::now();
    let error = std::thread::scope(|scope| {
        let database = &database;
        scope.spawn(move || {
            while !runs(database) {
                std::thread::yield_now();
            }
            assert!(switch.fire(Stopped::ClientGone));
            cancels.recv().unwrap().lose();
            // The next one finds a thread.
            drop(cancels);
        });
        worker.run(Access::Read, |transaction| {
            transaction.connection()?.query(LONG, &[])?;
            Ok(())
        })
    });
    assert_eq!(error.unwrap_err().code(), CLIENT_GONE);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(!runs(&database));
}

#[test]
fn a_stopped_transaction_sends_no_further_statement() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for access in [Access::Read, Access::Write] {
        worker.lender.next_job(None);
        let switch = worker.lender.switch();
        let book = std::sync::Arc::clone(&worker.book);
        let error = worker.run(access, |transaction| {
            let connection = transaction.connection()?;
            assert!(switch.fire(Stopped::ClientGone));
            let sent = book.round_trips.get();
            let error = increment(connection, 1).unwrap_err();
            assert!(error.to_string().contains("was not sent"), "{error}");
            assert_eq!(book.round_trips.get(), sent);
            Err::<(), _>(error.into())
        });
        assert_eq!(error.unwrap_err().code(), CLIENT_GONE);
    }
    assert_eq!(worker.lender.dropped(DropReason::Interrupted), 2);
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn a_commit_is_not_stopped_by_its_deadline() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.open_connection().unwrap();
    // The trigger runs in the commit, beyond the deadline of the statements.
    connection
        .batch_execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON counter \
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();",
        )
        .unwrap();
    let mut worker = Worker::new(&database);
    worker
        .lender
        .next_job(Some(Instant::now() + Duration::from_millis(300)));
    worker.run_well(Access::Write, |transaction| {
        Ok(increment(transaction.connection()?, 1)?)
    });
    assert_eq!(committed(&database, 1), 1);
}
