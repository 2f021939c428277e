//! Tests of expired connections: workers close them in time, without delaying other jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::transaction::{Begin, DropReason, Fault};
use euryale_core::{BoxError, Database};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::advance;

use super::{Held, with_three_idle};
use crate::{Pool, PoolBook, PoolBuilder};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn builder(connections: usize) -> PoolBuilder<CountingDatabase> {
    let database = CountingDatabase::new();
    database.drop_in_workers_only();
    Pool::builder(database).connections(connections)
}

fn expired<D: Database>(pool: &Pool<D>) -> u64 {
    pool.ledger()
        .of::<PoolBook>()
        .connections
        .dropped
        .get(DropReason::Expired)
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Runs all tasks that are ready.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_closed_without_traffic() {
    for pool in [
        builder(2).idle_timeout(MINUTE).build(),
        builder(2).max_lifetime(MINUTE).build(),
    ] {
        Held::new(pool.clone()).await.end().await;
        eventually("both are idle", || pool.status().idle == 2).await;
        settle().await;
        advance(59 * SECOND).await;
        settle().await;
        assert_eq!((pool.database().open(), expired(&pool)), (2, 0));
        advance(2 * SECOND).await;
        eventually("both are closed", || {
            pool.database().open() == 0 && pool.status().running == 0
        })
        .await;
        assert_eq!((expired(&pool), pool.status().idle), (2, 0));
        assert_eq!(pool.ledger().of::<PoolBook>().connections.idle.get(), 0);
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 3);
        assert_quiet(pool.ledger()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_used_in_between_is_kept() {
    let pool = builder(1).idle_timeout(MINUTE).build();
    for _ in 0..5 {
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 1);
        eventually("it is idle", || pool.status().idle == 1).await;
        settle().await;
        advance(40 * SECOND).await;
        settle().await;
        // A worker that was started would hold a permit by now, or have counted what it did.
        assert_eq!((pool.status().running, expired(&pool)), (0, 0));
    }
    advance(21 * SECOND).await;
    eventually("it is closed", || pool.database().open() == 0).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_shrinks_to_the_connections_in_use() {
    let pool = builder(3).idle_timeout(MINUTE).build();
    Held::new(pool.clone()).await.end().await;
    eventually("all are idle", || pool.status().idle == 3).await;
    let used = pool.run(|connection| connection.id()).await.unwrap();
    for _ in 0..9 {
        eventually("the workers have left", || pool.status().running == 0).await;
        advance(10 * SECOND).await;
        settle().await;
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), used);
    }
    eventually("the others are closed", || pool.database().open() == 1).await;
    assert_eq!(expired(&pool), 2);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_wakes_the_task() {
    // The task sleeps for 10 s because of the job when the connection becomes idle.
    let pool = builder(1).idle_timeout(SECOND).build();
    pool.run(|_| ()).await.unwrap();
    eventually("it is idle", || pool.status().idle == 1).await;
    settle().await;
    advance(2 * SECOND).await;
    eventually("it is closed", || pool.database().open() == 0).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn the_task_exists_only_while_there_is_something_to_watch() {
    let without = builder(1).warn_after(None).build();
    without.run(|_| ()).await.unwrap();
    eventually("it is idle", || without.status().idle == 1).await;
    assert_eq!(tasks(), 0, "nothing was asked for");

    let jobs = builder(1).build();
    jobs.run(|_| ()).await.unwrap();
    eventually("the worker has left", || {
        jobs.status().idle == 1 && tasks() == 1
    })
    .await;
    settle().await;
    advance(11 * SECOND).await;
    eventually("it found that the job had ended", || tasks() == 0).await;

    let idle = builder(1).idle_timeout(MINUTE).warn_after(None).build();
    idle.run(|_| ()).await.unwrap();
    eventually("it has begun", || idle.status().idle == 1 && tasks() == 1).await;
    settle().await;
    advance(61 * SECOND).await;
    eventually("it is closed", || idle.database().open() == 0).await;
    advance(2 * SECOND).await;
    eventually("it found nothing more", || tasks() == 0).await;
    for pool in [without, jobs, idle] {
        assert_quiet(pool.ledger()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_pool() {
    let closed = builder(1).idle_timeout(MINUTE).build();
    closed.run(|_| ()).await.unwrap();
    eventually("it has begun", || closed.status().idle == 1 && tasks() == 1).await;
    settle().await;
    closed.close(MINUTE).await.unwrap();
    eventually("closed: it ends without waiting", || tasks() == 0).await;

    let dropped = builder(1).idle_timeout(MINUTE).build();
    let database = dropped.database().clone();
    let ledger = dropped.ledger().clone();
    dropped.run(|_| ()).await.unwrap();
    eventually("it has begun", || {
        dropped.status().idle == 1 && tasks() == 1
    })
    .await;
    settle().await;
    drop(dropped);
    eventually("dropped: it ends without waiting", || tasks() == 0).await;
    eventually("a plain thread closes the connection", || {
        database.open() == 0
    })
    .await;
    assert_eq!(
        ledger
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::Closed),
        1
    );
    assert_quiet(&ledger).await;
}

/// A database that closes its connections slowly, and counts them until they are closed.
#[derive(Clone, Default)]
struct Slow {
    is_slow: Arc<AtomicBool>,
    gate: Gate,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

struct SlowConnection(Slow);

impl Drop for SlowConnection {
    fn drop(&mut self) {
        if self.0.is_slow.load(SeqCst) {
            self.0.gate.wait();
        }
        self.0.open.fetch_sub(1, SeqCst);
    }
}

impl Database for Slow {
    type Connection = SlowConnection;

    fn connect(&self) -> Result<SlowConnection, BoxError> {
        self.most
            .fetch_max(self.open.fetch_add(1, SeqCst) + 1, SeqCst);
        Ok(SlowConnection(self.clone()))
    }

    fn begin(&self, _: &mut SlowConnection, _: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    fn commit(&self, _: &mut SlowConnection) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _: &mut SlowConnection) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }
}

/// Returns a pool with `idle` expired idle connections, and a worker that is closing the first of
/// them.
async fn closing(connections: usize, idle: usize) -> (Pool<Slow>, Slow) {
    let slow = Slow::default();
    let pool = Pool::builder(slow.clone())
        .connections(connections)
        .idle_timeout(MINUTE)
        .build();
    let gate = Gate::new();
    let jobs: Vec<_> = (0..idle)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(pool.run(move |_| gate.wait()))
        })
        .collect();
    eventually("all run", || gate.waiting() == idle).await;
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    eventually("all are idle", || {
        pool.status().idle == idle && pool.status().running == 0
    })
    .await;
    slow.is_slow.store(true, SeqCst);
    settle().await;
    advance(2 * MINUTE).await;
    eventually("one is being closed", || slow.gate.waiting() == 1).await;
    assert_eq!(
        (pool.status().running, pool.status().idle),
        (1, idle - 1),
        "one after the other"
    );
    (pool, slow)
}

#[tokio::test(start_paused = true)]
async fn a_job_that_arrives_during_a_close_gets_another_permit() {
    let (pool, slow) = closing(2, 1).await;
    pool.run(|_| ()).await.unwrap();
    assert_eq!(slow.gate.waiting(), 1, "it is still being closed");
    assert_eq!(
        (slow.open.load(SeqCst), slow.most.load(SeqCst)),
        (2, 1 + 1),
        "within the cap"
    );
    slow.gate.open();
    eventually("it is closed", || slow.open.load(SeqCst) == 1).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_arrives_during_a_close_waits_for_one_close_at_most() {
    // The closing worker holds one permit, and jobs hold the others.
    let (pool, slow) = closing(3, 3).await;
    let gate = Gate::new();
    let jobs: Vec<_> = (0..3)
        .map(|_| {
            let gate = gate.clone();
            // The jobs do not use a connection, so no other worker closes one.
            tokio::spawn(euryale_core::transaction::Claim::run(
                pool.claim(),
                move |_| gate.wait(),
            ))
        })
        .collect();
    eventually("two run, one waits", || {
        gate.waiting() == 2 && pool.status().queued == 1
    })
    .await;
    slow.gate.let_through(1);
    eventually("it goes ahead of the next close", || gate.waiting() == 3).await;
    assert_eq!(
        (slow.gate.passed(), slow.gate.waiting(), pool.status().idle),
        (1, 0, 2)
    );
    slow.gate.open();
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    eventually("who goes closes the others", || slow.open.load(SeqCst) == 0).await;
    assert_eq!(slow.most.load(SeqCst), 3);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn with_a_cap_of_one_there_is_never_a_second_connection() {
    let (pool, slow) = closing(1, 1).await;
    let job = tokio::spawn(pool.run(|_| ()));
    eventually("it waits", || pool.status().queued == 1).await;
    slow.gate.open();
    job.await.unwrap().unwrap();
    assert_eq!((expired(&pool), slow.most.load(SeqCst)), (1, 1));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn closing_a_pool_waits_for_a_running_close_and_does_the_rest() {
    let (pool, slow) = closing(2, 2).await;
    let close = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(MINUTE).await }
    });
    eventually("it is closed", || pool.status().is_closed).await;
    settle().await;
    assert!(!close.is_finished());
    slow.gate.open();
    close.await.unwrap().unwrap();
    assert_eq!((slow.open.load(SeqCst), pool.status().running), (0, 0));
    assert_eq!(
        (
            expired(&pool),
            pool.ledger()
                .of::<PoolBook>()
                .connections
                .dropped
                .get(DropReason::Closed)
        ),
        (1, 1),
        "the second was not closed for its age"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn housekeeping_tries_again_when_all_workers_are_busy() {
    let pool = builder(2).idle_timeout(MINUTE).build();
    Held::new(pool.clone()).await.end().await;
    eventually("both are idle", || pool.status().idle == 2).await;
    // Both permits are taken, and both connections stay idle.
    let gate = Gate::new();
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(euryale_core::transaction::Claim::run(
                pool.claim(),
                move |_| gate.wait(),
            ))
        })
        .collect();
    eventually("both run", || gate.waiting() == 2).await;
    advance(2 * MINUTE).await;
    settle().await;
    assert_eq!((pool.status().idle, expired(&pool)), (2, 0));
    // There are more places, but nothing that would start a worker.
    pool.resize(3);
    advance(2 * SECOND).await;
    eventually("they are closed", || pool.database().open() == 0).await;
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

#[test]
fn housekeeping_goes_on_when_its_runtime_has_ended() {
    for is_dropped in [true, false] {
        let pool = builder(1).idle_timeout(MINUTE).warn_after(None).build();
        let first = runtime();
        first.block_on(async {
            pool.run(|_| ()).await.unwrap();
            eventually("it has begun", || pool.status().idle == 1 && tasks() == 1).await;
            settle().await;
        });
        // Or the runtime still exists but is not driven: after a while its task counts as lost.
        let _kept = (!is_dropped).then_some(first);
        runtime().block_on(async {
            if !is_dropped {
                advance(70 * SECOND).await;
            }
            pool.run(|_| ()).await.unwrap();
            eventually("it has begun again", || {
                pool.status().idle == 1 && tasks() == 1
            })
            .await;
            settle().await;
            let before = expired(&pool);
            advance(61 * SECOND).await;
            eventually("it is closed", || pool.database().open() == 0).await;
            assert_eq!(expired(&pool), before + 1);
            assert_quiet(pool.ledger()).await;
        });
    }
}

#[test]
fn an_expired_connection_is_not_used_again() {
    let pool = builder(1).idle_timeout(MINUTE).build();
    runtime().block_on(async {
        pool.run(|_| ()).await.unwrap();
        eventually("it is idle", || pool.status().idle == 1).await;
    });
    // No worker could have closed it.
    runtime().block_on(async {
        advance(2 * MINUTE).await;
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 2);
        assert_eq!(expired(&pool), 1);
        assert_quiet(pool.ledger()).await;
    });
}

#[test]
fn a_runtime_without_a_timer_has_no_housekeeping() {
    let pool = builder(1).max_wait(None).idle_timeout(MINUTE).build();
    Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async {
            for _ in 0..5 {
                assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 1);
                eventually("the task has failed", || {
                    tasks() == 0 && pool.status().idle == 1
                })
                .await;
            }
            assert_quiet(pool.ledger()).await;
        });
}

#[tokio::test]
async fn a_time_of_zero_keeps_no_connection() {
    let pool = builder(2).idle_timeout(Duration::ZERO).build();
    for id in 1..=3 {
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), id);
        eventually("it is closed", || pool.database().open() == 0).await;
    }
    assert_eq!(expired(&pool), 3);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_the_end_of_the_clock_never_expires() {
    let pool = builder(1)
        .idle_timeout(Duration::MAX)
        .max_lifetime(Duration::MAX)
        .warn_after(Duration::MAX);
    let pool = pool.build();
    pool.run(|_| ()).await.unwrap();
    eventually("it is idle", || pool.status().idle == 1).await;
    assert_eq!(tasks(), 0);
    assert_quiet(pool.ledger()).await;
}

/// With random times and jobs, there are never more connections than the cap allows.
#[tokio::test(start_paused = true)]
async fn the_cap_holds_under_random_load() {
    let slow = Slow::default();
    let pool = Pool::builder(slow.clone())
        .connections(3)
        .idle_timeout(SECOND)
        .max_lifetime(5 * SECOND);
    let pool = pool.build();
    for round in 0..300_u32 {
        let jobs: Vec<_> = (0..round % 5)
            .map(|_| tokio::spawn(pool.run(|_| ())))
            .collect();
        advance(Duration::from_millis(u64::from(round * 7919 % 1500))).await;
        for job in jobs {
            job.await.unwrap().unwrap();
        }
    }
    assert!(slow.most.load(SeqCst) <= 3, "{:?}", slow.most);
    assert!(expired(&pool) > 50, "{}", expired(&pool));
    advance(MINUTE).await;
    eventually("all are closed", || slow.open.load(SeqCst) == 0).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let pool = with_three_idle().await;
    // The two warmest ones.
    pool.database().spoil(2);
    pool.database().spoil(1);
    let id = pool.run(|connection| connection.id()).await.unwrap();
    assert_eq!(id, 3);
    let book = pool.ledger().of::<PoolBook>();
    assert_eq!(book.connections.dropped.get(DropReason::NotReusable), 2);
    eventually("it is idle again", || pool.status().idle == 1).await;
    pool.database().spoil(3);
    let id = pool.run(|connection| connection.id()).await.unwrap();
    assert_eq!(id, 4, "none is left, so one is opened");
    assert_quiet(pool.ledger()).await;
}
