use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use euryale_connection::Pool;
use euryale_core::error::{APPLICATION, CONFLICT, STORAGE_FULL, UNAVAILABLE};
use euryale_core::transaction::{Access, Begin, Fault};
use euryale_core::{Database, Ledger};
use euryale_test::assert_quiet;
use libsqlite3_sys as _;
use tempfile::TempDir;

use crate::{DeadlinePassed, Sqlite};

diesel::table! {
    post (id) {
        id -> Integer,
        text -> Text,
    }
}

/// Creates a file with a table.
fn database() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posts.db");
    let database = Sqlite::open(path.to_str().unwrap()).unwrap();
    let create = "CREATE TABLE post (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
    database.establish().unwrap().batch_execute(create).unwrap();
    (folder, database)
}

fn insert(connection: &mut SqliteConnection, text: &str) -> QueryResult<usize> {
    diesel::insert_into(post::table)
        .values(post::text.eq(text))
        .execute(connection)
}

fn count(database: &Sqlite) -> i64 {
    let mut connection = database.establish().unwrap();
    post::table.count().first(&mut connection).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_simultaneous_inserts_succeed() {
    const WRITERS: usize = 8;
    let (_folder, database) = database();
    let pool = Pool::new(database.clone(), WRITERS);
    let all_run = Arc::new(Barrier::new(WRITERS));
    let write = |_| {
        let all_run = Arc::clone(&all_run);
        // The transactions run only once, so none of them may meet a conflict.
        tokio::spawn(pool.claim().transaction_once(move |transaction| {
            all_run.wait();
            let connection = transaction.connection()?;
            let before: i64 = post::table.count().first(connection)?;
            Ok(insert(connection, &before.to_string())?)
        }))
    };
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap(), 1);
    }
    let mut texts: Vec<String> = post::table
        .select(post::text)
        .load(&mut database.establish().unwrap())
        .unwrap();
    texts.sort();
    assert_eq!(
        texts,
        ["0", "1", "2", "3", "4", "5", "6", "7"],
        "one after the other"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_writer_that_waited_too_long_is_a_conflict() {
    let (_folder, database) = database();
    let ledger = Ledger::new();
    let database = database.busy_timeout(Duration::ZERO).ledger(&ledger);
    let mut other = database.connect().unwrap();
    let write = Begin::new(Access::Write);
    database.begin(&mut other, write).unwrap();
    let pool = Pool::new(database.clone(), 1);
    let insert = || {
        pool.claim()
            .transaction_once(|transaction| Ok(insert(transaction.connection()?, "a post")?))
    };
    assert_eq!(insert().await.unwrap_err().code(), CONFLICT);
    let readers = pool.read(|transaction| {
        Ok(post::table
            .count()
            .first::<i64>(transaction.connection()?)?)
    });
    assert_eq!(readers.await.unwrap(), 0, "readers wait for nobody");
    database.commit(&mut other).unwrap();
    assert_eq!(insert().await.unwrap(), 1);
    let exposition = ledger.exposition();
    assert!(
        exposition.contains("\neuryale_diesel_not_begun_total 1\n")
            && exposition.contains("\neuryale_diesel_connections_opened_total 2\n"),
        "{exposition}"
    );
    assert_quiet(pool.ledger()).await;
}

#[test]
fn the_deadline_ends_the_wait_for_another_writer() {
    let (_folder, database) = database();
    let mut other = database.connect().unwrap();
    let write = Begin::new(Access::Write);
    database.begin(&mut other, write).unwrap();
    let mut connection = database.connect().unwrap();
    let begin = write.deadline(Instant::now());
    let error = database.begin(&mut connection, begin).unwrap_err();
    assert!(error.is::<DeadlinePassed>(), "{error}");
    assert_eq!(database.classify(&*error), Fault::Elapsed);
    assert!(database.is_reusable(&mut connection));
    database.abort(&mut other).unwrap();
    database.begin(&mut connection, write).unwrap();
}

#[tokio::test]
async fn a_full_database_is_not_a_conflict() {
    let (_folder, database) = database();
    let full =
        database.on_connect(|connection| connection.batch_execute("PRAGMA max_page_count = 1"));
    let pool = Pool::new(full, 1);
    let large = "x".repeat(1 << 20);
    let insert =
        pool.transaction(move |transaction| Ok(insert(transaction.connection()?, &large)?));
    assert_eq!(insert.await.unwrap_err().code(), STORAGE_FULL);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn an_error_after_an_insert_leaves_nothing() {
    let (_folder, database) = database();
    let pool = Pool::new(database.clone(), 1);
    let failed = pool.transaction(|transaction| {
        insert(transaction.connection()?, "a post")?;
        Err::<(), _>(std::io::Error::other("no").into())
    });
    assert_eq!(failed.await.unwrap_err().code(), APPLICATION);
    assert_eq!(count(&database), 0);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_savepoint_is_the_publishers_and_one_left_open_commits_nothing() {
    let (_folder, database) = database();
    let pool = Pool::new(database.clone(), 1);
    let nested = pool.transaction(|transaction| {
        let connection = transaction.connection()?;
        insert(connection, "kept")?;
        let undone = connection.transaction(|connection| {
            insert(connection, "undone")?;
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        });
        assert!(undone.is_err());
        Ok(())
    });
    nested.await.unwrap();
    assert_eq!(count(&database), 1);
    let open = pool.transaction(|transaction| {
        let connection = transaction.connection()?;
        AnsiTransactionManager::begin_transaction(connection)?;
        insert(connection, "lost")?;
        Ok(())
    });
    open.await.unwrap_err();
    assert_eq!(count(&database), 1);
    let after = pool.transaction(|transaction| Ok(insert(transaction.connection()?, "a post")?));
    assert_eq!(after.await.unwrap(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_connection_with_an_open_transaction_serves_no_other_job() {
    let (_folder, database) = database();
    let pool = Pool::new(database.clone(), 1);
    let job = pool.run(|connection| {
        AnsiTransactionManager::begin_transaction(connection)?;
        insert(connection, "never committed")
    });
    assert_eq!(job.await.unwrap().unwrap(), 1);
    let after = pool.transaction(|transaction| Ok(insert(transaction.connection()?, "a post")?));
    assert_eq!(after.await.unwrap(), 1);
    assert_eq!(count(&database), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn hooks_run_on_each_connection_and_their_errors_are_reported() {
    let (_folder, database) = database();
    let hooked =
        database.on_connect(|connection| connection.batch_execute("PRAGMA query_only = 1"));
    let pool = Pool::new(hooked.clone(), 1);
    let write = pool.transaction(|transaction| Ok(insert(transaction.connection()?, "a post")?));
    write.await.unwrap_err();
    let failing = hooked.on_connect(|connection| connection.batch_execute("no statement"));
    let error = failing.establish().err().unwrap();
    assert!(
        error
            .to_string()
            .contains("posts.db: a setting or an on_connect hook failed"),
        "{error}"
    );
    let pool = Pool::new(failing, 1);
    let run = pool.run(|_| ()).await;
    assert_eq!(run.unwrap_err().code(), UNAVAILABLE);
    assert_quiet(pool.ledger()).await;
}

#[test]
fn a_database_in_memory_is_refused() {
    let error = Sqlite::open(":memory:").unwrap_err();
    assert_eq!(
        error.to_string(),
        "database :memory:: is in journal mode memory, WAL is refused; it needs a file on a local \
         disk"
    );
    let error = Sqlite::open("/nowhere/posts.db").unwrap_err();
    assert!(
        error.to_string().contains("its folder must exist"),
        "{error}"
    );
}
