//! Tests of interrupted statements.

use euryale_core::error::{CLIENT_GONE, PUBLISH_ELAPSED};
use euryale_core::transaction::Stopped;

use super::*;

/// A query that never ends and whose single steps are short.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
    SELECT count(*) FROM n";

/// Runs the endless query until another thread stops it, after its first steps.
fn endless(connection: &Connection, switch: &Arc<Switch>) -> rusqlite::Error {
    fires_while(switch, || {
        connection
            .query_row(ENDLESS, [], |row| row.get::<_, i64>(0))
            .unwrap_err()
    })
}

/// Fires the switch while `work` runs. The switch is armed, because the transaction has its
/// connection.
fn fires_while<T>(switch: &Arc<Switch>, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(switch.fire(Stopped::Deadline)));
        work()
    })
}

fn next_job(worker: &mut Worker) -> Arc<Switch> {
    worker.source.switch = Arc::default();
    Arc::clone(&worker.source.switch)
}

#[test]
fn a_query_that_never_ends_is_stopped_and_the_connection_is_kept() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    for access in [Access::Read, Access::Write] {
        let switch = next_job(&mut worker);
        let ended = worker.run(access, |transaction| {
            let connection = transaction.connection()?;
            increment_if(connection, access)?;
            let error = endless(connection, &switch);
            assert_eq!(extended_code(&error), rusqlite::ffi::SQLITE_INTERRUPT);
            assert_eq!(sqlite.classify(&error), Fault::Elapsed);
            Err::<(), _>(error.into())
        });
        assert_eq!(ended.unwrap_err().code(), PUBLISH_ELAPSED);

        next_job(&mut worker);
        let next = worker.run(Access::Write, |transaction| {
            Ok(value(transaction.connection()?))
        });
        assert!(matches!(next, Ok(Outcome::Committed(0))), "rolled back");
    }
    assert!(worker.source.discarded.is_empty());
    assert_eq!(worker.source.opened, 1);
}

fn increment_if(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    if access == Access::Write {
        increment(connection)?;
    }
    Ok(())
}

/// If a writing statement is interrupted, SQLite rolls back the whole transaction
/// (<https://www.sqlite.org/c3ref/interrupt.html>), so no later statement may be committed.
#[test]
fn a_write_that_was_stopped_and_ignored_does_not_commit() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let switch = next_job(&mut worker);
    let ended = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        let error = fires_while(&switch, || {
            connection
                .execute(&format!("INSERT INTO counter (value) {ENDLESS}"), [])
                .unwrap_err()
        });
        assert_eq!(extended_code(&error), rusqlite::ffi::SQLITE_INTERRUPT);
        let _ = increment(connection);
        Ok(())
    });
    assert_eq!(ended.unwrap_err().code(), PUBLISH_ELAPSED);
    next_job(&mut worker);
    let seen = worker.run(Access::Read, |transaction| {
        Ok(value(transaction.connection()?))
    });
    assert!(matches!(seen, Ok(Outcome::Committed(0))));
}

/// The query has many steps, so that the handler is called while the flag of another transaction is
/// set.
#[test]
fn the_next_transaction_is_not_stopped() {
    let (_folder, sqlite) = counter();
    let mut worker = Worker::new(&sqlite);
    let switch = next_job(&mut worker);
    let ended = worker.run(Access::Read, |transaction| {
        let error = endless(transaction.connection()?, &switch);
        Err::<(), _>(error.into())
    });
    assert!(ended.is_err());
    next_job(&mut worker);
    let counted = worker.run(Access::Read, |transaction| {
        // The first job's switch has been fired; a second call changes nothing.
        assert!(!switch.fire(Stopped::Drain));
        let connection = transaction.connection()?;
        let many = format!(
            "SELECT count(*) FROM ({} LIMIT 100000)",
            ENDLESS.replace("count(*)", "i")
        );
        Ok(connection.query_row(&many, [], |row| row.get::<_, i64>(0))?)
    });
    assert!(matches!(counted, Ok(Outcome::Committed(100_000))));
}

#[test]
fn a_writer_that_waits_for_its_turn_is_stopped() {
    let (_folder, sqlite) = counter();
    let patient = sqlite.clone().busy_timeout(Duration::from_secs(3600));
    let mut other = patient.connect().unwrap();
    patient.begin(&mut other, Access::Write.into()).unwrap();
    let mut worker = Worker::new(&patient);
    let switch = next_job(&mut worker);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while format!("{:?}", patient.turns()) != "Turns { waiting: 1, .. }" {
                assert!(Instant::now() < deadline, "it does not wait");
                std::thread::yield_now();
            }
            assert!(switch.fire(Stopped::ClientGone));
        });
        worker.run(Access::Write, |transaction| {
            transaction.connection()?;
            Ok(())
        })
    });
    assert_eq!(ended.unwrap_err().code(), CLIENT_GONE);
    patient.abort(&mut other).unwrap();
}

/// The writer waits for one of this process, or for one of another process, for which SQLite itself
/// waits.
#[test]
fn a_writer_waits_no_longer_than_its_deadline() {
    let (_folder, sqlite) = counter();
    let patient = sqlite.clone().busy_timeout(Duration::from_secs(3600));
    for other in [patient.clone(), Sqlite::open(sqlite.path()).unwrap()] {
        let mut first = other.connect().unwrap();
        other.begin(&mut first, Access::Write.into()).unwrap();
        let mut worker = Worker::new(&patient);
        worker.source.deadline = Some(Instant::now() + Duration::from_millis(50));
        let ended = worker.run(Access::Write, |transaction| {
            transaction.connection()?;
            Ok(())
        });
        assert_eq!(ended.unwrap_err().code(), PUBLISH_ELAPSED);
        other.abort(&mut first).unwrap();

        worker.source.deadline = None;
        next_job(&mut worker);
        let next = worker.run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            let timeout: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
            Ok(timeout)
        });
        assert!(
            matches!(next, Ok(Outcome::Committed(3_600_000))),
            "as before"
        );
    }
}
