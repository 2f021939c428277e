//! Tests of connections that the server ends.

use std::time::{Duration, Instant};

use euryale_core::Database;
use euryale_core::error::UNAVAILABLE;
use euryale_core::transaction::{Access, DropReason};
use euryale_test::engines::{Postgres as Server, Stop};

use super::{Worker, committed, counters, counters_at, increment, value};
use crate::{Connection, Postgres};

const TERMINATE: &str = "SELECT pg_terminate_backend($1, 5000)";

fn process(connection: &mut Connection) -> i32 {
    let row = connection.query_one("SELECT pg_backend_pid()", &[]);
    row.unwrap().get(0)
}

/// Ends the session of `process`, and waits for its end.
fn terminate(database: &Postgres, process: i32) {
    let mut connection = database.connect().unwrap();
    let ended: bool = connection.query_one(TERMINATE, &[&process]).unwrap().get(0);
    assert!(ended);
}

#[test]
fn a_connection_that_ended_while_it_was_idle_is_not_reused() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.connect().unwrap();
    let id = process(&mut connection);
    assert!(database.is_reusable(&mut connection));
    assert!(database.is_reusable(&mut connection));
    terminate(&database, id);
    assert!(!database.is_reusable(&mut connection));
    assert!(!database.is_reusable(&mut connection));
}

#[test]
fn a_session_that_ends_in_a_statement_or_between_two_is_disconnected() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for access in [Access::Read, Access::Write] {
        for in_statement in [true, false] {
            let error = worker
                .run(access, |transaction| {
                    let connection = transaction.connection()?;
                    let id = process(connection);
                    if in_statement {
                        connection.query("SELECT pg_terminate_backend(pg_backend_pid())", &[])?;
                    } else {
                        terminate(&database, id);
                    }
                    Ok(value(connection, 1)?)
                })
                .unwrap_err();
            assert_eq!(error.code(), UNAVAILABLE, "{error:?}");
        }
    }
    assert_eq!(worker.lender.dropped(DropReason::Disconnected), 4);
}

#[test]
fn a_connection_lost_before_its_commit_commits_nothing() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.connect().unwrap();
    database
        .begin(&mut connection, Access::Write.into())
        .unwrap();
    increment(&mut connection, 1).unwrap();
    let id = process(&mut connection);
    terminate(&database, id);
    // The publisher may see the error as well.
    assert!(value(&mut connection, 1).is_err());
    let error = database.commit(&mut connection).unwrap_err();
    assert!(
        error.to_string().contains("nothing was committed"),
        "{error}"
    );
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn a_server_that_restarts_costs_at_most_its_open_transactions() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let name = server.create_database();
    let database = counters_at(&server.url(&name));
    let mut worker = Worker::new(&database);
    for (count, stop) in (1..).zip([Stop::Fast, Stop::Immediate, Stop::Kill]) {
        worker.run_well(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        });
        let error = worker
            .run(Access::Write, |transaction| {
                increment(transaction.connection()?, 1)?;
                server.stop(stop);
                Ok(increment(transaction.connection()?, 1)?)
            })
            .unwrap_err();
        assert_eq!(error.code(), UNAVAILABLE);
        let down = worker.run(Access::Read, |transaction| {
            Ok(value(transaction.connection()?, 1)?)
        });
        assert_eq!(down.unwrap_err().code(), UNAVAILABLE);
        server.launch();
        let found = worker.run_well(Access::Read, |transaction| {
            Ok(value(transaction.connection()?, 1)?)
        });
        assert_eq!(found, count);
    }
}

#[test]
fn a_dropped_connection_says_goodbye_at_once() {
    // The test needs a separate server, because it reads the server's log, which must not have
    // lines about other tests.
    let Some(server) = Server::start() else {
        return;
    };
    let database = counters_at(&server.url("postgres"));
    let mut other = database.connect().unwrap();
    let mut ended = |id: i32| {
        let until = Instant::now() + Duration::from_millis(500);
        let count = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
        loop {
            let left: i64 = other.query_one(count, &[&id]).unwrap().get(0);
            if left == 0 {
                return;
            }
            assert!(Instant::now() < until, "the session is still there");
        }
    };
    for access in [None, Some(Access::Read), Some(Access::Write)] {
        let mut connection = database.connect().unwrap();
        let id = process(&mut connection);
        if let Some(access) = access {
            database.begin(&mut connection, access.into()).unwrap();
            value(&mut connection, 1).unwrap();
        }
        let begin = Instant::now();
        drop(connection);
        assert!(begin.elapsed() < Duration::from_millis(100));
        ended(id);
    }
    assert!(
        !server
            .log()
            .contains("unexpected EOF on client connection with an open transaction")
    );
}
