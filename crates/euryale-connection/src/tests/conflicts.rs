//! Tests of transactions that are retried after a conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::error::{APPLICATION, CLOSED, CONFLICTS_EXHAUSTED};
use euryale_core::ledger::ConflictBook;
use euryale_core::transaction::{ConflictRule, Fault};
use euryale_core::{Abort, Transaction};
use euryale_test::{Behaviour, CountingDatabase, Gate, Step, TestError, assert_quiet, eventually};
use tokio::task::JoinHandle;

use crate::Pool;

type TestTransaction<'a> = Transaction<'a, CountingDatabase>;

const CONFLICT: Behaviour = Behaviour::Fail(Fault::Conflict);

/// The length of a pause. It ends only when the test advances the clock.
const LONG: Duration = Duration::from_secs(1_000_000);

/// Returns a pool of one connection, on which the first `conflicts` commits meet a conflict.
fn pool(conflicts: usize, base: Duration) -> Pool<CountingDatabase> {
    let database = CountingDatabase::new();
    database.script(Step::Commit, vec![CONFLICT; conflicts]);
    Pool::builder(database)
        .connections(1)
        .max_wait(None)
        .retry(ConflictRule::new().base(base))
        .build()
}

/// Begins the transaction, and returns the number of the attempt.
fn number(transaction: &mut TestTransaction<'_>) -> Result<u32, Abort> {
    transaction.connection()?;
    Ok(transaction.attempt().number())
}

fn conflicts(pool: &Pool<CountingDatabase>) -> (u64, u64) {
    let book = pool.ledger().of::<ConflictBook>();
    (book.resolved.get(), book.exhausted.get())
}

/// Starts a transaction, and returns during the pause after the conflict of its first attempt.
async fn paused(pool: &Pool<CountingDatabase>) -> JoinHandle<Result<u32, euryale_core::Error>> {
    let transaction = tokio::spawn(pool.transaction(number));
    eventually("the first attempt has ended", || {
        pool.ledger().transactions.aborted.get() == 1 && pool.status().running == 0
    })
    .await;
    assert_eq!(pool.status().queued, 0);
    transaction
}

#[tokio::test(start_paused = true)]
async fn three_conflicts_are_resolved_and_four_are_not() {
    for count in 0..=4 {
        let pool = pool(count, Duration::from_millis(10));
        let ended = pool.transaction(number).await;
        match count {
            0..=3 => assert_eq!(ended.unwrap() as usize, count + 1),
            _ => assert_eq!(ended.unwrap_err().code(), CONFLICTS_EXHAUSTED),
        }
        let expected = match count {
            0 => (0, 0),
            1..=3 => (1, 0),
            _ => (0, 1),
        };
        assert_eq!(conflicts(&pool), expected);
        let transactions = &pool.ledger().transactions;
        assert_eq!(transactions.aborted.get() as usize, count);
        assert_quiet(pool.ledger()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_holds_no_worker() {
    let pool = pool(1, LONG);
    let transaction = paused(&pool).await;
    let database = pool.database().clone();
    pool.run(move |_| database.record("another job"))
        .await
        .unwrap();
    assert_eq!(transaction.await.unwrap().unwrap(), 2);
    let story = pool.database().story();
    assert!(
        story.ends_with("abort · another job · begin write · commit"),
        "{story}"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_in_the_pause_ends_the_attempts() {
    let pool = pool(1, LONG);
    let transaction = paused(&pool).await;
    transaction.abort();
    assert!(transaction.await.unwrap_err().is_cancelled());
    tokio::time::advance(2 * LONG).await;
    // A worker has run since.
    pool.run(|_| ()).await.unwrap();
    assert_eq!(pool.ledger().transactions.begun.get(), 1);
    assert_eq!(conflicts(&pool), (0, 0));
    assert_quiet(pool.ledger()).await;
}

/// The worker finishes an attempt that has begun, and no other attempt follows.
#[tokio::test]
async fn a_caller_that_leaves_while_an_attempt_runs_ends_the_attempts() {
    let pool = pool(1, Duration::ZERO);
    let gate = Gate::new();
    let transaction = tokio::spawn(pool.transaction({
        let gate = gate.clone();
        move |transaction: &mut TestTransaction<'_>| {
            transaction.connection()?;
            gate.wait();
            Ok(())
        }
    }));
    eventually("the first attempt runs", || gate.waiting() == 1).await;
    transaction.abort();
    assert!(transaction.await.unwrap_err().is_cancelled());
    gate.open();
    pool.run(|_| ()).await.unwrap();
    assert_eq!(pool.ledger().transactions.begun.get(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_closes_in_the_pause_refuses_the_next_attempt() {
    let pool = pool(1, LONG);
    let transaction = paused(&pool).await;
    pool.close(Duration::from_secs(1)).await.unwrap();
    let refused = transaction.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), CLOSED);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn only_a_conflict_is_retried() {
    let pool = pool(0, Duration::ZERO);
    let failing = |fault| {
        pool.transaction(move |transaction| {
            transaction.connection()?;
            Err::<(), _>(TestError(fault).into())
        })
    };
    let failed = failing(Fault::Other).await.unwrap_err();
    assert_eq!(failed.code(), APPLICATION);
    assert_eq!(pool.ledger().transactions.begun.get(), 1);
    let read = pool.read(|transaction| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Conflict).into())
    });
    let failed = read.await.unwrap_err();
    assert_eq!(failed.code(), CONFLICTS_EXHAUSTED);
    assert_eq!(pool.ledger().transactions.begun.get(), 5);
    assert_quiet(pool.ledger()).await;
}

/// Three of four callers wait for the end of their transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_conflicts_never_exceeds_the_cap_and_loses_nothing() {
    const TRANSACTIONS: usize = 200;
    let database = CountingDatabase::new();
    database.script(Step::Commit, vec![CONFLICT; 150]);
    let pool = Pool::builder(database)
        .connections(2)
        .retry(ConflictRule::new().base(Duration::from_micros(50)))
        .build();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let transact = || {
        let running = Arc::clone(&running);
        let most = Arc::clone(&most);
        pool.transaction(move |transaction: &mut TestTransaction<'_>| {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            transaction.connection()?;
            running.fetch_sub(1, SeqCst);
            Ok(())
        })
    };
    let mut stay = Vec::new();
    for count in 0..TRANSACTIONS {
        let transaction = tokio::spawn(transact());
        if count % 4 == 0 {
            transaction.abort();
        } else {
            stay.push(transaction);
        }
    }
    let mut committed = 0;
    let mut exhausted = 0;
    for transaction in stay {
        match transaction.await.unwrap() {
            Ok(()) => committed += 1,
            Err(error) => {
                assert_eq!(error.code(), CONFLICTS_EXHAUSTED);
                exhausted += 1;
            }
        }
    }
    assert_quiet(pool.ledger()).await;
    assert!((1..=2).contains(&most.load(SeqCst)), "{most:?} at a time");
    assert!(pool.ledger().transactions.committed.get() >= committed);
    assert_eq!(conflicts(&pool).1, exhausted);
}
