use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer};
use euryale_connection::Pool;
use euryale_core::error::{
    APPLICATION, Code, IN_DOUBT, PUBLISH_ELAPSED, STORAGE_FULL, UNAVAILABLE,
};
use euryale_core::transaction::{Access, Begin, Fault};
use euryale_core::{Abort, BoxError, Database, Ledger};
use euryale_test::assert_quiet;
use euryale_test::engines::{Postgres as Server, Stop};

use super::{Isolation, Postgres, ReadOnlyServer};
use crate::{DieselBook, TransactionLeftOpen};

diesel::table! {
    counter (id) {
        id -> Integer,
        value -> Integer,
    }
}

const SCHEMA: &str = "CREATE TABLE counter (id int PRIMARY KEY, value int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);";

/// Creates a separate database on the shared server, with two counters at 0.
fn counters() -> Option<Postgres> {
    let server = Server::shared()?;
    Some(counters_at(&server.url(&server.create_database())))
}

fn counters_at(url: &str) -> Postgres {
    let database = Postgres::open(url).unwrap();
    database.establish().unwrap().batch_execute(SCHEMA).unwrap();
    database
}

fn increment(connection: &mut PgConnection, id: i32) -> QueryResult<usize> {
    diesel::update(counter::table.find(id))
        .set(counter::value.eq(counter::value + 1))
        .execute(connection)
}

fn value(connection: &mut PgConnection, id: i32) -> QueryResult<i32> {
    let row = counter::table.find(id).select(counter::value);
    row.first(connection)
}

fn committed(database: &Postgres, id: i32) -> i32 {
    value(&mut database.establish().unwrap(), id).unwrap()
}

fn process(connection: &mut PgConnection) -> QueryResult<i32> {
    diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()")).get_result(connection)
}

/// Ends the session of `process`, and waits for its end.
fn terminate(database: &Postgres, process: i32) {
    let sql = format!("pg_terminate_backend({process}, 5000)");
    let ended = diesel::select(diesel::dsl::sql::<Bool>(&sql))
        .get_result::<bool>(&mut database.establish().unwrap());
    assert!(ended.unwrap());
}

fn fault(database: &Postgres, error: &BoxError) -> Fault {
    database.classify(&**error)
}

/// Runs one transaction once. Returns the code of its error.
async fn code<F>(database: &Postgres, access: Access, f: F) -> Option<Code>
where
    F: Fn(&mut PgConnection) -> Result<(), Abort> + Send + 'static,
{
    let pool = Pool::new(database.clone(), 1);
    let ran = match access {
        Access::Read => {
            pool.read(move |transaction| f(transaction.connection()?))
                .await
        }
        Access::Write => {
            pool.claim()
                .transaction_once(move |transaction| f(transaction.connection()?))
                .await
        }
    };
    assert_quiet(pool.ledger()).await;
    pool.close(Duration::from_secs(5)).await.unwrap();
    ran.err().map(|error| error.code())
}

#[test]
fn a_row_that_was_changed_since_is_a_conflict_but_not_under_read_committed() {
    let Some(database) = counters() else {
        return;
    };
    for (isolation, expected) in [
        (Isolation::RepeatableRead, Some(Fault::Conflict)),
        (Isolation::Serializable, Some(Fault::Conflict)),
        (Isolation::ReadCommitted, None),
    ] {
        let database = database.clone().isolation(isolation);
        let mut connection = database.establish().unwrap();
        let write = Begin::new(Access::Write);
        database.begin(&mut connection, write).unwrap();
        value(&mut connection, 1).unwrap();
        increment(&mut database.establish().unwrap(), 1).unwrap();
        let found = increment(&mut connection, 1).err();
        assert_eq!(found.map(|error| database.classify(&error)), expected);
        database.abort(&mut connection).unwrap();
        assert!(database.is_reusable(&mut connection));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_deadlocked_requests_is_published_again() {
    let Some(database) = counters() else {
        return;
    };
    let pool = Pool::new(database.clone(), 2);
    let both = Arc::new(Barrier::new(2));
    let run = |first: i32, second: i32| {
        let both = Arc::clone(&both);
        let attempts = AtomicUsize::new(0);
        tokio::spawn(pool.transaction(move |transaction| {
            let connection = transaction.connection()?;
            increment(connection, first)?;
            let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            if attempt == 1 {
                both.wait();
            }
            increment(connection, second)?;
            Ok(attempt)
        }))
    };
    let one = run(1, 2);
    let other = run(2, 1);
    let attempts = one.await.unwrap().unwrap() + other.await.unwrap().unwrap();
    assert!(attempts > 2, "nobody met the deadlock");
    assert_eq!(committed(&database, 1), 2);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_reader_that_writes_is_published_as_a_writer_on_the_same_connection() {
    let Some(database) = counters() else {
        return;
    };
    let ledger = Ledger::new();
    let database = database.ledger(&ledger);
    let pool = Pool::new(database.clone(), 1);
    for _ in 0..100 {
        let read = pool.read(|transaction| Ok(increment(transaction.connection()?, 1)?));
        assert_eq!(read.await.unwrap(), 1);
    }
    assert_eq!(ledger.of::<DieselBook>().opened.get(), 1);
    assert_eq!(committed(&database, 1), 100);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn the_server_ends_a_statement_at_the_deadline() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.establish().unwrap();
    let begin = Begin::new(Access::Write).deadline(Instant::now() + Duration::from_millis(50));
    database.begin(&mut connection, begin).unwrap();
    let error = connection.batch_execute("SELECT pg_sleep(60)").unwrap_err();
    assert_eq!(database.classify(&error), Fault::Elapsed);
    database.abort(&mut connection).unwrap();
    assert!(database.is_reusable(&mut connection));
    // The next transaction has a time-out of its own.
    database
        .begin(&mut connection, Access::Write.into())
        .unwrap();
    connection.batch_execute("SELECT pg_sleep(0.1)").unwrap();
    database.commit(&mut connection).unwrap();
    let stopped = code(&database, Access::Write, |connection| {
        let cancel = "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)";
        Ok(connection.batch_execute(cancel)?)
    });
    assert_eq!(stopped.await, Some(PUBLISH_ELAPSED));
}

#[tokio::test]
async fn a_publisher_that_ignores_an_error_commits_nothing_and_gets_an_error() {
    let Some(database) = counters() else {
        return;
    };
    let ignored = code(&database, Access::Write, |connection| {
        increment(connection, 1)?;
        assert!(connection.batch_execute("SELECT 1 / 0").is_err());
        Ok(())
    });
    assert_eq!(ignored.await, Some(APPLICATION));
    assert_eq!(committed(&database, 1), 0);
    let mut connection = database.establish().unwrap();
    database
        .begin(&mut connection, Access::Write.into())
        .unwrap();
    increment(&mut connection, 1).unwrap();
    AnsiTransactionManager::begin_transaction(&mut connection).unwrap();
    let error = database.commit(&mut connection).unwrap_err();
    assert!(error.is::<TransactionLeftOpen>());
    database.abort(&mut connection).unwrap();
    assert_eq!(committed(&database, 1), 0);
}

#[tokio::test]
async fn a_full_disk_is_a_separate_fault() {
    let Some(database) = counters() else {
        return;
    };
    let full = code(&database, Access::Write, |connection| {
        // The server's message when a file cannot grow.
        let raise = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file \"base/1/2\": \
            No space left on device' USING ERRCODE = 'disk_full'; END $$";
        Ok(connection.batch_execute(raise)?)
    });
    assert_eq!(full.await, Some(STORAGE_FULL));
}

#[tokio::test]
async fn a_session_that_ends_in_a_transaction_is_unavailable_and_never_in_doubt() {
    let Some(database) = counters() else {
        return;
    };
    for access in [Access::Read, Access::Write] {
        // The session ends during a statement, and between the last statement and the commit.
        let ended = code(&database, access, |connection| {
            let own = "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)";
            Ok(connection.batch_execute(own)?)
        });
        assert_eq!(ended.await, Some(UNAVAILABLE), "{access:?}");
        let other = database.clone();
        let ended = code(&database, access, move |connection| {
            value(connection, 1)?;
            terminate(&other, process(connection)?);
            Ok(())
        });
        assert_eq!(ended.await, Some(UNAVAILABLE), "{access:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_session_ends_before_its_answer_is_in_doubt() {
    let Some(database) = counters() else {
        return;
    };
    let trigger = "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER dies AFTER UPDATE ON counter \
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();";
    let mut connection = database.establish().unwrap();
    connection.batch_execute(trigger).unwrap();
    let lost = code(&database, Access::Write, |connection| {
        increment(connection, 1)?;
        Ok(())
    });
    assert_eq!(lost.await, Some(IN_DOUBT));
}

#[test]
fn a_restart_while_a_connection_is_idle_fails_no_request() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let ledger = Ledger::new();
    let database = counters_at(&server.url("postgres")).ledger(&ledger);
    let mut connection = database.establish().unwrap();
    for (count, stop) in (1..).zip([Stop::Fast, Stop::Immediate]) {
        server.restart(stop);
        database
            .begin(&mut connection, Access::Write.into())
            .unwrap();
        increment(&mut connection, 1).unwrap();
        database.commit(&mut connection).unwrap();
        assert_eq!(ledger.of::<DieselBook>().opened.get(), 1 + count);
        assert_eq!(
            committed(&counters_of(&server), 1),
            i32::try_from(count).unwrap()
        );
    }
    server.stop(Stop::Fast);
    let error = database
        .begin(&mut connection, Access::Write.into())
        .unwrap_err();
    assert_eq!(fault(&database, &error), Fault::Disconnected);
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

/// The same database with another ledger.
fn counters_of(server: &Server) -> Postgres {
    Postgres::open(server.url("postgres")).unwrap()
}

#[test]
fn a_writer_moves_to_the_new_primary_and_is_refused_without_one() {
    let Some(primary) = Server::start() else {
        return;
    };
    let _ = counters_at(&primary.url("postgres"));
    let standby = primary.replica();
    let both = format!(
        "host={},{} user=euryale dbname=postgres target_session_attrs=read-write",
        primary.folder().display(),
        standby.folder().display()
    );
    let database = Postgres::open(both).unwrap();
    let mut connection = database.establish().unwrap();
    let fence = "ALTER SYSTEM SET default_transaction_read_only = on";
    primary.sql("postgres", fence);
    primary.sql("postgres", "SELECT pg_reload_conf()");
    standby.promote();
    database
        .begin(&mut connection, Access::Write.into())
        .unwrap();
    increment(&mut connection, 1).unwrap();
    database.commit(&mut connection).unwrap();
    assert_eq!(
        standby.sql("postgres", "SELECT value FROM counter WHERE id = 1"),
        "1"
    );
    // The URL names only one of the servers.
    let alone = Postgres::open(primary.url("postgres")).unwrap();
    let mut connection = alone.establish().unwrap();
    let error = alone
        .begin(&mut connection, Access::Write.into())
        .unwrap_err();
    assert!(error.is::<ReadOnlyServer>(), "{error}");
    assert_eq!(fault(&alone, &error), Fault::Disconnected);
}

#[test]
fn connect_errors_are_one_line_without_the_password() {
    let Some(server) = Server::shared() else {
        return;
    };
    let url = server.url("nowhere").replace("euryale@", "euryale:tuna@");
    let error = Postgres::open(url).unwrap_err();
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(
        line.contains("database \"nowhere\" does not exist"),
        "{line}"
    );
    assert!(line.contains("correct the URL"), "{line}");
    assert!(!format!("{line} {error:?}").contains("tuna"));
    let database = Postgres::open(server.url("postgres").replace("euryale@", "euryale:tuna@"));
    assert!(!format!("{:?}", database.unwrap()).contains("tuna"));
}
