use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::error::CONFLICTS_EXHAUSTED;
use euryale_core::transaction::{ConflictRule, Fault};
use euryale_test::{CountingDatabase, Gate, TestError, assert_quiet, eventually};

use crate::{Pool, PoolBook};

/// Two connections, and one retry, which is exclusive.
fn pool(patience: Duration) -> Pool<CountingDatabase> {
    let rule = ConflictRule::new().base(Duration::ZERO);
    Pool::builder(CountingDatabase::new())
        .retry(rule.retries(1).exclusive(true))
        .exclusive_wait(patience)
        .build()
}

const LONG: Duration = Duration::from_secs(600);

/// A transaction whose first attempt meets a conflict, and whose second one waits at `gate`.
fn conflicting(
    pool: &Pool<CountingDatabase>,
    gate: &Gate,
) -> tokio::task::JoinHandle<Result<u32, euryale_core::Error>> {
    let gate = gate.clone();
    tokio::spawn(pool.transaction(move |transaction| {
        transaction.connection()?;
        let attempt = transaction.attempt();
        if attempt.number() == 1 {
            return Err(TestError(Fault::Conflict).into());
        }
        assert!(attempt.history().exclusive);
        gate.wait();
        Ok(attempt.number())
    }))
}

fn exclusive(pool: &Pool<CountingDatabase>) -> (u64, u64) {
    let book = pool.ledger().of::<PoolBook>();
    (book.exclusive.alone.get(), book.exclusive.not_alone.get())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_job_begins_until_the_last_attempt_has_ended() {
    let pool = pool(LONG);
    let gate = Gate::new();
    let last = conflicting(&pool, &gate);
    eventually("the last attempt runs", || gate.waiting() == 1).await;
    let other = Gate::new();
    let begins = other.clone();
    let other_job = tokio::spawn(pool.run(move |_| begins.wait()));
    eventually("it has a worker", || pool.status().running == 2).await;
    assert_eq!(other.waiting() + other.passed(), 0, "it has not begun");
    gate.open();
    assert_eq!(last.await.unwrap().unwrap(), 2);
    eventually("the other job begins", || other.waiting() == 1).await;
    other.open();
    other_job.await.unwrap().unwrap();
    assert_eq!(exclusive(&pool), (1, 0));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_attempt_begins_after_the_jobs_that_run() {
    let pool = pool(LONG);
    let running = Gate::new();
    let at = running.clone();
    let job = tokio::spawn(pool.run(move |_| at.wait()));
    eventually("it runs", || running.waiting() == 1).await;
    let gate = Gate::new();
    let last = conflicting(&pool, &gate);
    eventually("the last attempt has a worker", || {
        pool.ledger().transactions.aborted.get() == 1 && pool.status().running == 2
    })
    .await;
    assert_eq!(gate.waiting() + gate.passed(), 0, "it has not begun");
    gate.open();
    running.open();
    job.await.unwrap().unwrap();
    assert_eq!(last.await.unwrap().unwrap(), 2);
    assert_eq!(exclusive(&pool), (1, 0));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_that_hangs_does_not_hold_up_its_pool_for_ever() {
    let pool = pool(Duration::from_millis(1));
    let hangs = Gate::new();
    let at = hangs.clone();
    let job = tokio::spawn(pool.run(move |_| at.wait()));
    eventually("it hangs", || hangs.waiting() == 1).await;
    let gate = Gate::new();
    gate.open();
    assert_eq!(conflicting(&pool, &gate).await.unwrap().unwrap(), 2);
    assert_eq!(exclusive(&pool), (0, 1));
    hangs.open();
    job.await.unwrap().unwrap();

    // And neither does an exclusive one.
    let gate = Gate::new();
    let last = conflicting(&pool, &gate);
    eventually("the last attempt runs", || gate.waiting() == 1).await;
    pool.run(|_| ()).await.unwrap();
    gate.open();
    assert_eq!(last.await.unwrap().unwrap(), 2);
    assert_eq!(exclusive(&pool), (0, 2), "the other job ran beside it");

    // Later attempts are alone again.
    assert_eq!(conflicting(&pool, &gate).await.unwrap().unwrap(), 2);
    assert_eq!(exclusive(&pool), (1, 2));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_disconnects_during_an_exclusive_attempt_is_never_served() {
    let pool = pool(LONG);
    let gate = Gate::new();
    let last = conflicting(&pool, &gate);
    eventually("the last attempt runs", || gate.waiting() == 1).await;
    let has_run = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&has_run);
    let other = tokio::spawn(pool.run(move |_| counts.fetch_add(1, SeqCst)));
    eventually("it has a worker", || pool.status().running == 2).await;
    other.abort();
    assert!(other.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(last.await.unwrap().unwrap(), 2);
    assert_quiet(pool.ledger()).await;
    assert_eq!(has_run.load(SeqCst), 0);
}

/// A transaction that conflicts with each one that has ended since it began.
fn counted(
    pool: &Pool<CountingDatabase>,
    version: &Arc<AtomicU64>,
) -> impl Future<Output = Result<(), euryale_core::Error>> + Send + use<> {
    let version = Arc::clone(version);
    pool.transaction(move |transaction| {
        transaction.connection()?;
        let seen = version.load(SeqCst);
        // Others run meanwhile.
        (0..20).for_each(|_| std::thread::yield_now());
        let stored = version.compare_exchange(seen, seen + 1, SeqCst, SeqCst);
        stored.map_err(|_| TestError(Fault::Conflict))?;
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_conflicts_fails_no_transaction() {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 100;
    let pool = pool(LONG);
    let version = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let pool = pool.clone();
        let version = Arc::clone(&version);
        tokio::spawn(async move {
            for _ in 0..EACH {
                let ended = counted(&pool, &version).await;
                assert!(ended.is_ok());
            }
        })
    });
    for client in Vec::from_iter(clients) {
        client.await.unwrap();
    }
    assert_eq!(version.load(SeqCst), CLIENTS * EACH);
    let (alone, not_alone) = exclusive(&pool);
    assert_eq!(not_alone, 0);
    let aborted = pool.ledger().transactions.aborted.get();
    assert_eq!(
        alone, aborted,
        "each conflict is followed by an exclusive attempt"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn conflict_in_an_exclusive_attempt_is_still_the_end() {
    let pool = pool(LONG);
    let ended = pool.transaction(|transaction| -> Result<(), euryale_core::Abort> {
        transaction.connection()?;
        // As another process causes it.
        Err(TestError(Fault::Conflict).into())
    });
    assert_eq!(ended.await.unwrap_err().code(), CONFLICTS_EXHAUSTED);
    assert_eq!(exclusive(&pool), (1, 0));
    assert_quiet(pool.ledger()).await;
}
