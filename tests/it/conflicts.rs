//! Transactions of a pool that meet conflicts in SQLite, and are attempted again.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use euryale::ledger::ConflictBook;
use euryale::transaction::ConflictRule;
use euryale::{Abort, Database, Pool, Transaction};
use euryale_sqlite::Sqlite;
use euryale_test::{assert_quiet, eventually};

/// A counter, and a pool of two connections whose transactions are repeated until they succeed.
fn counter() -> (tempfile::TempDir, Sqlite, Pool<Sqlite>) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(folder.path().join("counter.db")).unwrap();
    let sqlite = sqlite.busy_timeout(Duration::ZERO);
    let migrations = ["CREATE TABLE counter (value INTEGER); INSERT INTO counter VALUES (0)"];
    sqlite.migrate(&migrations).unwrap();
    let rule = ConflictRule::new().retries(u32::MAX).base(Duration::ZERO);
    let pool = Pool::builder(sqlite.clone()).retry(rule).build();
    (folder, sqlite, pool)
}

/// Reads, and then writes.
fn increment(transaction: &mut Transaction<'_, Sqlite>) -> Result<i64, Abort> {
    let connection = transaction.connection()?;
    let value: i64 = connection.query_row("SELECT value FROM counter", [], |row| row.get(0))?;
    connection.execute("UPDATE counter SET value = ?1", [value + 1])?;
    Ok(value + 1)
}

/// SQLite refuses its write, because another connection has changed what it has read.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_writes_on_a_stale_snapshot_begins_again_as_a_writer() {
    let (_folder, sqlite, pool) = counter();
    let other = Mutex::new(sqlite.connect().unwrap());
    let written = pool.read(move |transaction| {
        let connection = transaction.connection()?;
        let value: i64 = connection.query_row("SELECT value FROM counter", [], |row| row.get(0))?;
        if transaction.attempt().number() == 1 {
            let other = other.lock().unwrap();
            other.execute("UPDATE counter SET value = value + 10", [])?;
        }
        let connection = transaction.connection()?;
        connection.execute("UPDATE counter SET value = ?1", [value + 1])?;
        Ok((value + 1, transaction.attempt().number()))
    });
    assert_eq!(written.await.unwrap(), (11, 2));
    let book = pool.ledger().of::<ConflictBook>();
    assert_eq!((book.resolved.get(), book.exhausted.get()), (1, 0));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_meet_a_lock_until_it_is_released_and_none_is_lost() {
    const WRITERS: usize = 8;
    let (_folder, sqlite, pool) = counter();
    let mut other = sqlite.connect().unwrap();
    sqlite
        .begin(&mut other, euryale::transaction::Access::Write.into())
        .unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let write = |_| {
        let attempts = Arc::clone(&attempts);
        tokio::spawn(pool.transaction(move |transaction| {
            attempts.fetch_add(1, SeqCst);
            increment(transaction)
        }))
    };
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    eventually("they meet the lock again and again", || {
        assert!(pool.status().running <= 2, "more than the cap");
        attempts.load(SeqCst) > 4 * WRITERS
    })
    .await;
    assert_eq!(pool.ledger().transactions.committed.get(), 0);
    sqlite.abort(&mut other).unwrap();
    let mut values = Vec::new();
    for writer in writers {
        values.push(writer.await.unwrap().unwrap());
    }
    values.sort_unstable();
    assert_eq!(values, [1, 2, 3, 4, 5, 6, 7, 8]);
    let resolved = pool.ledger().of::<ConflictBook>().resolved.get();
    assert!((1..=WRITERS as u64).contains(&resolved), "{resolved}");
    assert_quiet(pool.ledger()).await;
}
