use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use euryale_core::error::CONFLICTS_EXHAUSTED;
use euryale_core::transaction::{ConflictRule, Fault};
use euryale_test::{CountingDatabase, Gate, TestError, assert_quiet, eventually};
use tokio::task::JoinHandle;

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
fn conflicting(pool: &Pool<CountingDatabase>, gate: &Gate) -> JoinHandle<()> {
    let gate = gate.clone();
    let ended = pool.transaction(move |transaction| {
        transaction.connection()?;
        let attempt = transaction.attempt();
        if attempt.number() == 1 {
            return Err(TestError(Fault::Conflict).into());
        }
        assert!(attempt.history().exclusive);
        gate.wait();
        Ok(attempt.number())
    });
    tokio::spawn(async { assert_eq!(ended.await.unwrap(), 2) })
}

/// Checks how many exclusive attempts were alone and how many were not, and that all is returned.
async fn ended(pool: &Pool<CountingDatabase>, attempts: (u64, u64)) {
    let book = pool.ledger().of::<PoolBook>();
    let exclusive = &book.exclusive;
    assert_eq!((exclusive.alone.get(), exclusive.not_alone.get()), attempts);
    assert_quiet(pool.ledger()).await;
}

/// A job that runs until its gate opens.
async fn running(pool: &Pool<CountingDatabase>) -> (Gate, JoinHandle<()>) {
    let gate = Gate::new();
    let at = gate.clone();
    let job = pool.run(move |_| at.wait());
    let job = tokio::spawn(async { job.await.unwrap() });
    eventually("the job runs", || gate.waiting() == 1).await;
    (gate, job)
}

/// A transaction whose last attempt runs until its gate opens.
async fn running_last(pool: &Pool<CountingDatabase>) -> (Gate, JoinHandle<()>) {
    let gate = Gate::new();
    let last = conflicting(pool, &gate);
    eventually("the last attempt runs", || gate.waiting() == 1).await;
    (gate, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_job_begins_until_the_last_attempt_has_ended() {
    let pool = pool(LONG);
    let (gate, last) = running_last(&pool).await;
    let other = Gate::new();
    let begins = other.clone();
    let other_job = tokio::spawn(pool.run(move |_| begins.wait()));
    eventually("it has a worker", || pool.status().running == 2).await;
    assert_eq!(other.waiting() + other.passed(), 0, "it has not begun");
    gate.open();
    last.await.unwrap();
    eventually("the other job begins", || other.waiting() == 1).await;
    other.open();
    other_job.await.unwrap().unwrap();
    ended(&pool, (1, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_attempt_begins_after_the_jobs_that_run() {
    let pool = pool(LONG);
    let (running, job) = running(&pool).await;
    let gate = Gate::new();
    let last = conflicting(&pool, &gate);
    eventually("the last attempt has a worker", || {
        pool.ledger().transactions.aborted.get() == 1 && pool.status().running == 2
    })
    .await;
    assert_eq!(gate.waiting() + gate.passed(), 0, "it has not begun");
    gate.open();
    running.open();
    job.await.unwrap();
    last.await.unwrap();
    ended(&pool, (1, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_that_hangs_does_not_hold_up_its_pool_forever() {
    let pool = pool(Duration::from_millis(1));
    let (hangs, job) = running(&pool).await;
    let open = Gate::new();
    open.open();
    conflicting(&pool, &open).await.unwrap();
    hangs.open();
    job.await.unwrap();
    ended(&pool, (0, 1)).await;

    // And neither does an exclusive one.
    let (gate, last) = running_last(&pool).await;
    pool.run(|_| ()).await.unwrap();
    gate.open();
    last.await.unwrap();
    // The other job ran beside it.
    ended(&pool, (0, 2)).await;

    // Later attempts are alone again.
    conflicting(&pool, &open).await.unwrap();
    ended(&pool, (1, 2)).await;
}

/// A job that waits for an exclusive one counts as running, with its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_wait_are_in_the_gauges() {
    let pool = pool(LONG);
    let (gate, last) = running_last(&pool).await;
    let other = tokio::spawn(pool.run(|_| ()));
    let book = pool.ledger().of::<PoolBook>();
    eventually("it has a worker", || pool.status().running == 2).await;
    eventually("it is counted", || book.publishers.running.get() == 2).await;
    gate.open();
    last.await.unwrap();
    other.await.unwrap().unwrap();
    ended(&pool, (1, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_disconnects_during_an_exclusive_attempt_is_never_served() {
    let pool = pool(LONG);
    let (gate, last) = running_last(&pool).await;
    let has_run = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&has_run);
    let other = tokio::spawn(pool.run(move |_| counts.fetch_add(1, SeqCst)));
    eventually("it has a worker", || pool.status().running == 2).await;
    other.abort();
    assert!(other.await.unwrap_err().is_cancelled());
    gate.open();
    last.await.unwrap();
    ended(&pool, (1, 0)).await;
    assert_eq!(has_run.load(SeqCst), 0);
}

/// A transaction that conflicts with each one that has ended since it began. The first two begin
/// at the same time.
fn counted(
    pool: &Pool<CountingDatabase>,
    version: &Arc<AtomicU64>,
    both_have_begun: &Arc<Barrier>,
) -> impl Future<Output = Result<(), euryale_core::Error>> + Send + use<> {
    let version = Arc::clone(version);
    let both_have_begun = Arc::clone(both_have_begun);
    pool.transaction(move |transaction| {
        transaction.connection()?;
        let seen = version.load(SeqCst);
        if seen == 0 && transaction.attempt().number() == 1 {
            both_have_begun.wait();
        }
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
    let both_have_begun = Arc::new(Barrier::new(2));
    let clients = (0..CLIENTS).map(|_| {
        let pool = pool.clone();
        let version = Arc::clone(&version);
        let both_have_begun = Arc::clone(&both_have_begun);
        tokio::spawn(async move {
            for _ in 0..EACH {
                let ended = counted(&pool, &version, &both_have_begun).await;
                assert!(ended.is_ok());
            }
        })
    });
    for client in Vec::from_iter(clients) {
        client.await.unwrap();
    }
    assert_eq!(version.load(SeqCst), CLIENTS * EACH);
    let aborted = pool.ledger().transactions.aborted.get();
    assert!(aborted > 0);
    // Each conflict is followed by an exclusive attempt.
    ended(&pool, (aborted, 0)).await;
}

#[tokio::test]
async fn conflict_in_an_exclusive_attempt_is_still_the_end() {
    let pool = pool(LONG);
    let last = pool.transaction(|transaction| -> Result<(), euryale_core::Abort> {
        transaction.connection()?;
        // As another process causes it.
        Err(TestError(Fault::Conflict).into())
    });
    assert_eq!(last.await.unwrap_err().code(), CONFLICTS_EXHAUSTED);
    ended(&pool, (1, 0)).await;
}
