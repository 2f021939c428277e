//! Tests of the beginning, the commit and the rollback of transactions, and of their cost.

use euryale_core::Database;
use euryale_core::error::{APPLICATION, CONFLICT, PANICKED};
use euryale_core::transaction::{Access, DropReason};

use super::{INCREMENT, Worker, committed, counters, increment, value};
use crate::TransactionEnded;

#[test]
fn a_reader_with_a_warm_statement_needs_one_round_trip() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let mut read = |expected| {
        let found = worker.run_well(Access::Read, |transaction| {
            Ok(value(transaction.connection()?, 1)?)
        });
        assert_eq!(found, expected);
        worker.round_trips()
    };
    let cold = read(0);
    assert_eq!(cold, 2, "one to prepare, one to run");
    assert_eq!(read(0), cold + 1);
    assert_eq!(read(0), cold + 2);
    let begun = worker.round_trips();
    worker.run_well(Access::Read, |transaction| {
        Ok(transaction.connection().map(drop)?)
    });
    assert_eq!(
        worker.round_trips(),
        begun,
        "a reader that asks nothing sends nothing"
    );
}

#[test]
fn a_writer_with_a_warm_statement_needs_three_round_trips() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for expected in [4, 7, 10] {
        worker.run_well(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        });
        assert_eq!(worker.round_trips(), expected);
    }
    assert_eq!(committed(&database, 1), 3);
}

#[test]
fn a_reader_sees_one_state_and_a_refused_publication_leaves_nothing() {
    let Some(database) = counters() else {
        return;
    };
    let mut reader = Worker::new(&database);
    let mut writer = Worker::new(&database);
    reader.run_well(Access::Read, |transaction| {
        let connection = transaction.connection()?;
        assert_eq!(value(connection, 1)?, 0);
        writer.run_well(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        });
        assert_eq!(value(connection, 1)?, 0);
        Ok(())
    });
    let refused = writer.run::<()>(Access::Write, |transaction| {
        increment(transaction.connection()?, 1)?;
        Err(std::io::Error::other("no").into())
    });
    assert_eq!(refused.unwrap_err().code(), APPLICATION);
    assert!(writer.is_reusable());
    assert_eq!(committed(&database, 1), 1);
}

#[test]
fn a_publisher_that_ignores_an_error_gets_an_error_and_commits_nothing() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for marks in [true, false] {
        let mut worker = Worker::new(&database.clone().settle(marks));
        let error = worker
            .run(Access::Write, |transaction| {
                let connection = transaction.connection()?;
                increment(connection, 1)?;
                let _ = connection.execute("INSERT INTO counter VALUES (1, 0)", &[]);
                Ok(())
            })
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.is::<TransactionEnded>(), "{source:?}");
        assert_eq!(error.code(), APPLICATION);
        assert!(worker.is_reusable());
    }
    assert_eq!(committed(&database, 1), 0);
    worker.run_well(Access::Write, |transaction| {
        Ok(increment(transaction.connection()?, 1)?)
    });
    assert_eq!(committed(&database, 1), 1);
}

#[test]
fn a_publisher_that_ends_the_transaction_itself_gets_an_error() {
    let Some(database) = counters() else {
        return;
    };
    for end in ["ROLLBACK", "COMMIT"] {
        let mut worker = Worker::new(&database);
        let error = worker
            .run(Access::Write, |transaction| {
                let connection = transaction.connection()?;
                connection.batch_execute(end)?;
                Ok(())
            })
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.is::<TransactionEnded>(), "{source:?}");
        assert!(worker.is_reusable());
    }
}

#[test]
fn a_savepoint_undoes_its_part() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    worker.run_well(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection, 1)?;
        let failed: Result<(), crate::Error> = connection.savepoint(|connection| {
            increment(connection, 2)?;
            connection.savepoint(|connection| increment(connection, 2))?;
            connection.execute("INSERT INTO counter VALUES (1, 0)", &[])?;
            Ok(())
        });
        assert_eq!(failed.unwrap_err().code().unwrap().code(), "23505");
        connection.savepoint(|connection| increment(connection, 2))?;
        Ok(())
    });
    assert_eq!(committed(&database, 1), 1);
    assert_eq!(committed(&database, 2), 1);
}

#[test]
fn the_statement_used_longest_ago_makes_room() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database.statement_cache(2));
    let book = std::sync::Arc::clone(&worker.book);
    let mut run = |numbers: &[i32]| {
        worker.run_well(Access::Read, |transaction| {
            let connection = transaction.connection()?;
            for number in numbers {
                let row = connection.query_one(&format!("SELECT {number}"), &[])?;
                assert_eq!(row.get::<_, i32>(0), *number);
            }
            let sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT _'";
            let row = connection.query_one(sql, &[])?;
            Ok(row.get::<_, i64>(0))
        })
    };
    assert_eq!(run(&[1, 2, 3]), 1);
    assert_eq!(book.prepared.get(), 4);
    assert_eq!(run(&[3]), 1);
    assert_eq!(book.prepared.get(), 4);
    assert_eq!(run(&[1]), 1);
    assert_eq!(book.prepared.get(), 5);
}

#[test]
fn a_statement_whose_table_was_altered_is_prepared_again() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let all = "SELECT * FROM counter ORDER BY id";
    let mut read = || {
        worker.run(Access::Read, |transaction| {
            let rows = transaction.connection()?.query(all, &[])?;
            Ok(rows[0].len())
        })
    };
    assert_eq!(read().unwrap(), 2);
    let mut other = database.connect().unwrap();
    other
        .batch_execute("ALTER TABLE counter ADD note text")
        .unwrap();
    assert_eq!(read().unwrap_err().code(), CONFLICT);
    assert_eq!(read().unwrap(), 3);
}

#[test]
fn a_get_that_writes_is_a_conflict_a_hundred_times_and_keeps_its_connection() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    for _ in 0..100 {
        let error = worker
            .run(Access::Read, |transaction| {
                Ok(increment(transaction.connection()?, 1)?)
            })
            .unwrap_err();
        assert_eq!(error.code(), CONFLICT);
        assert!(error.wrote(), "the next attempt begins as a writer");
        assert!(worker.is_reusable());
    }
    assert_eq!(worker.book.opened.get(), 1);
    assert_eq!(worker.book.demoted.get(), 0);
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn a_panic_drops_the_connection_and_rolls_back() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let error = worker.run::<()>(Access::Write, |transaction| {
        increment(transaction.connection()?, 1)?;
        panic!("oh");
    });
    assert_eq!(error.unwrap_err().code(), PANICKED);
    assert_eq!(worker.lender.dropped(DropReason::Panicked), 1);
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn a_job_that_leaves_its_own_transaction_open_does_not_keep_the_connection() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.connect().unwrap();
    connection.execute(INCREMENT, &[&1]).unwrap();
    assert!(database.is_reusable(&mut connection));
    connection.batch_execute("BEGIN").unwrap();
    assert!(!database.is_reusable(&mut connection));
}
