//! Tests of transactions that are stopped at their deadline, when their client leaves, or by a
//! drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::error::{CLOSED, Code, PUBLISH_ELAPSED};
use euryale_core::transaction::{
    Access, Attempt, Claim, DropReason, History, StopWhen, TransactionOptions,
};
use euryale_core::{Abort, Error, Transaction};
use euryale_test::Behaviour::Wait;
use euryale_test::{CountingDatabase, Gate, Step, assert_quiet, eventually, subscribe_thread};
use tokio::task::JoinHandle;
use tokio::time::advance;

use crate::{Pool, PoolBook, PoolClaim};

const SECOND: Duration = Duration::from_secs(1);

type Tx<'a> = Transaction<'a, CountingDatabase>;

/// Returns a pool of one connection whose statements can be stopped by a flag.
fn pool() -> Pool<CountingDatabase> {
    let pool = Pool::new(CountingDatabase::new(), 1);
    pool.database().interrupt_by_flag();
    pool
}

fn claim(
    pool: &Pool<CountingDatabase>,
    after: Option<Duration>,
    client_gone: bool,
) -> PoolClaim<CountingDatabase> {
    pool.claim().stop_when(StopWhen::new(after, client_gone))
}

/// Runs a statement that ends only when it is stopped.
fn endless(transaction: &mut Tx<'_>) -> Result<(), Abort> {
    Ok(transaction.connection()?.run_until_stopped()?)
}

async fn begun(pool: &Pool<CountingDatabase>, statements: usize) {
    eventually("the statement runs", || {
        let events = pool.database().events();
        events.iter().filter(|event| *event == "statement").count() == statements
    })
    .await;
}

/// Checks that everything was returned, and that the connection still works.
async fn goes_on_with_the_same_connection(pool: &Pool<CountingDatabase>) {
    eventually("it has ended", || pool.status().running == 0).await;
    let next = pool.transaction(|transaction| Ok(transaction.connection()?.id()));
    assert_eq!(next.await.unwrap(), 1);
    assert_quiet(pool.ledger()).await;
}

fn code(ended: Result<(), Error>) -> Option<Code> {
    ended.err().map(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_stopped_at_the_deadline() {
    let pool = pool();
    for (number, client_gone) in [(1, false), (2, true)] {
        let job = tokio::spawn(claim(&pool, Some(SECOND), client_gone).transaction(endless));
        begun(&pool, number).await;
        advance(2 * SECOND).await;
        assert_eq!(code(job.await.unwrap()), Some(PUBLISH_ELAPSED));
    }
    goes_on_with_the_same_connection(&pool).await;
    let transactions = &pool.ledger().transactions;
    assert_eq!(transactions.stopped.deadline.get(), 2);
    assert_eq!(
        (transactions.aborted.get(), transactions.committed.get()),
        (2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_start_of_the_worker() {
    let pool = pool();
    let gate = Gate::new();
    let at = gate.clone();
    let first = tokio::spawn(pool.run(move |_| at.wait()));
    eventually("the worker is busy", || gate.waiting() == 1).await;
    let second = tokio::spawn(
        claim(&pool, Some(SECOND), false).transaction(|transaction| {
            transaction.connection()?;
            Ok(())
        }),
    );
    eventually("it waits", || pool.status().queued == 1).await;
    advance(10 * SECOND).await;
    gate.open();
    first.await.unwrap().unwrap();
    assert_eq!(code(second.await.unwrap()), None);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_reader_is_stopped_when_its_client_leaves() {
    let pool = pool();
    let job = tokio::spawn(claim(&pool, None, true).read(endless));
    begun(&pool, 1).await;
    job.abort();
    goes_on_with_the_same_connection(&pool).await;
    assert_eq!(pool.ledger().transactions.stopped.client_gone.get(), 1);
}

#[tokio::test]
async fn a_reader_that_declared_a_write_is_finished() {
    let pool = pool();
    let gate = Gate::new();
    let at = gate.clone();
    let job = tokio::spawn(claim(&pool, None, true).read(move |transaction| {
        transaction.writable()?;
        transaction.connection()?;
        at.wait();
        Ok(())
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    job.abort();
    assert!(job.await.unwrap_err().is_cancelled());
    gate.open();
    goes_on_with_the_same_connection(&pool).await;
    assert_eq!(pool.ledger().transactions.committed.get(), 2);
}

/// Jobs other than publications do not end with their clients by default.
#[tokio::test]
async fn other_jobs_are_finished_when_their_clients_leave() {
    let pool = pool();
    for number in 0..3 {
        let gate = Gate::new();
        let at = gate.clone();
        let in_transaction = move |transaction: &mut Tx<'_>| {
            transaction.connection()?;
            at.wait();
            Ok(())
        };
        let at = gate.clone();
        let job: JoinHandle<Result<(), Error>> = match number {
            0 => tokio::spawn(pool.run(move |_| at.wait())),
            1 => tokio::spawn(pool.transaction(in_transaction)),
            _ => tokio::spawn(pool.read(in_transaction)),
        };
        eventually("it runs", || gate.waiting() == 1).await;
        job.abort();
        assert!(job.await.unwrap_err().is_cancelled());
        gate.open();
        eventually("it has ended", || pool.status().running == 0).await;
    }
    assert_eq!(
        pool.database().story(),
        "connect · begin write · commit · begin read · commit"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_drain_that_times_out_stops_running_transactions() {
    let pool = pool();
    let job = tokio::spawn(pool.transaction(endless));
    begun(&pool, 1).await;
    let busy = pool.close(Duration::ZERO).await.unwrap_err();
    assert_eq!((busy.stopped, busy.running), (1, 0));
    assert_eq!(code(job.await.unwrap()), Some(CLOSED));
    assert_eq!(pool.ledger().transactions.stopped.drain.get(), 1);
    assert_eq!(pool.database().open(), 0);
    assert_quiet(pool.ledger()).await;
}

/// A job without a transaction is never stopped, because its work may not be interruptible.
#[tokio::test]
async fn a_drain_does_not_stop_jobs_without_a_transaction() {
    let pool = pool();
    let gate = Gate::new();
    let at = gate.clone();
    let job = tokio::spawn(pool.run(move |_| at.wait()));
    eventually("it runs", || gate.waiting() == 1).await;
    let busy = pool.close(Duration::ZERO).await.unwrap_err();
    assert_eq!((busy.stopped, busy.running), (0, 1));
    gate.open();
    job.await.unwrap().unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_has_begun_is_finished_and_answered() {
    let pool = pool();
    let gate = Gate::new();
    pool.database().script(Step::Commit, [Wait(gate.clone())]);
    let job = tokio::spawn(claim(&pool, Some(SECOND), true).transaction(|transaction| {
        transaction.connection()?;
        Ok(())
    }));
    eventually("it commits", || gate.waiting() == 1).await;
    advance(10 * SECOND).await;
    // The drain also checks the deadlines.
    assert_eq!(pool.close(Duration::ZERO).await.unwrap_err().stopped, 0);
    gate.open();
    assert_eq!(code(job.await.unwrap()), None, "its own answer");
    assert_eq!(pool.ledger().transactions.committed.get(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn an_ignored_error_does_not_commit() {
    let pool = pool();
    let job = tokio::spawn(
        claim(&pool, Some(SECOND), false).transaction(|transaction| {
            // The error is ignored, as in careless code.
            let _ = transaction.connection()?.run_until_stopped();
            Ok(())
        }),
    );
    begun(&pool, 1).await;
    advance(2 * SECOND).await;
    assert_eq!(code(job.await.unwrap()), Some(PUBLISH_ELAPSED));
    goes_on_with_the_same_connection(&pool).await;
    assert_eq!(
        pool.database().story(),
        "connect · begin write · statement · abort · begin write · commit"
    );
}

/// The caller is nevertheless answered in time, because the transaction will not commit, whatever
/// the job still does.
#[tokio::test(start_paused = true)]
async fn an_uninterruptible_transaction_is_answered_in_time_and_never_committed() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let gate = Gate::new();
    let at = gate.clone();
    let job = tokio::spawn(
        claim(&pool, Some(SECOND), false).transaction(move |transaction| {
            transaction.connection()?;
            at.wait();
            assert!(transaction.connection().is_err(), "the next step");
            Ok(())
        }),
    );
    eventually("it runs", || gate.waiting() == 1).await;
    advance(2 * SECOND).await;
    assert_eq!(code(job.await.unwrap()), Some(PUBLISH_ELAPSED));
    assert_eq!(pool.status().running, 1, "and keeps its permit");
    gate.open();
    goes_on_with_the_same_connection(&pool).await;
    assert_eq!(
        pool.database().story(),
        "connect · begin write · abort · begin write · commit"
    );
}

/// A subscriber that panics, like an appender whose disk is full.
struct Broken(Arc<AtomicUsize>);

impl tracing::Subscriber for Broken {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, SeqCst);
        std::panic::resume_unwind(Box::new("the log is broken"));
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_panicking_subscriber_does_not_end_the_deadlines() {
    let lines = Arc::new(AtomicUsize::new(0));
    // Housekeeping runs on this thread; workers keep the default subscriber.
    let _broken = subscribe_thread(Broken(Arc::clone(&lines)));
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .warn_after(SECOND)
        .build();
    pool.database().interrupt_by_flag();
    for number in 1..=3 {
        let job = tokio::spawn(claim(&pool, Some(5 * SECOND), false).transaction(endless));
        begun(&pool, number).await;
        advance(2 * SECOND).await;
        eventually("a line was to be written", || lines.load(SeqCst) == number).await;
        advance(4 * SECOND).await;
        assert_eq!(code(job.await.unwrap()), Some(PUBLISH_ELAPSED));
    }
    goes_on_with_the_same_connection(&pool).await;
}

/// The error "stopped" would mean that nothing was committed.
#[tokio::test(start_paused = true)]
async fn a_job_that_has_committed_is_stopped_and_returns_its_own_answer() {
    let pool = pool();
    let gate = Gate::new();
    let at = gate.clone();
    let job = tokio::spawn(claim(&pool, Some(SECOND), false).run(move |lease| {
        let mut transact = |f: fn(&mut Tx<'_>) -> Result<(), Abort>| {
            let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write);
            Transaction::run(lease, options, f)
        };
        let first = transact(|transaction| {
            transaction.connection()?;
            Ok(())
        });
        let second = transact(endless).map(|_| ()).unwrap_err().code();
        at.wait();
        (first.is_ok(), second)
    }));
    begun(&pool, 1).await;
    advance(2 * SECOND).await;
    eventually("the second is stopped", || gate.waiting() == 1).await;
    assert!(!job.is_finished(), "it would say that nothing was done");
    gate.open();
    assert_eq!(job.await.unwrap().unwrap(), (true, PUBLISH_ELAPSED));
    goes_on_with_the_same_connection(&pool).await;
    assert_eq!(
        pool.database().story(),
        "connect · begin write · commit · begin write · statement · abort · begin write · commit"
    );
}

/// The thread that stops a job has decided to do so, but its call arrives after another job has
/// begun.
#[tokio::test]
async fn a_connection_that_a_late_interrupt_may_hit_is_dropped() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let gate = Gate::new();
    pool.database().interrupt_by_call(&gate);
    let job = claim(&pool, None, true).read(endless);
    begun(&pool, 1).await;
    let leaving = std::thread::spawn(move || drop(job));
    eventually("the call is on its way", || gate.waiting() == 1).await;
    let next = pool.transaction(|transaction| Ok(transaction.connection()?.id()));
    assert_eq!(next.await.unwrap(), 2, "another connection");
    gate.open();
    leaving.join().unwrap();
    assert_eq!(
        pool.database().story(),
        "connect · begin read · statement · drop · connect · begin write · commit · interrupt 1"
    );
    let dropped = &pool.ledger().of::<PoolBook>().connections.dropped;
    assert_eq!(dropped.get(DropReason::Interrupted), 1);
    assert_quiet(pool.ledger()).await;
}

/// A job that ended in time is not stopped by later checks of its pool.
#[tokio::test(start_paused = true)]
async fn a_deadline_does_not_reach_the_next_job() {
    let pool = pool();
    let first = claim(&pool, Some(SECOND), false).transaction(|transaction| {
        transaction.connection()?;
        Ok(())
    });
    assert_eq!(code(first.await), None);
    let gate = Gate::new();
    let at = gate.clone();
    let second = tokio::spawn(pool.transaction(move |transaction| {
        transaction.connection()?;
        at.wait();
        Ok(())
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    advance(10 * SECOND).await;
    gate.open();
    assert_eq!(code(second.await.unwrap()), None);
    assert_eq!(pool.ledger().transactions.committed.get(), 2);
    assert_quiet(pool.ledger()).await;
}
