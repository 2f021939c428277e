mod breakage;
mod changing;
mod conflicts;
mod control;
mod failures;
mod holders;
mod housekeeping;
mod limit;
mod stopping;
mod threads;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use euryale_core::error::{
    CLOSED, CONFLICT, Code, ELAPSED, NO_WORKER, PANICKED, REFUSED, UNAVAILABLE, WOULD_DEADLOCK,
};
use euryale_core::transaction::{Claim, DropReason, Fault};
use euryale_test::Behaviour::Fail;
use euryale_test::{CountingDatabase, Gate, Step, TestError, assert_quiet, eventually};

use crate::{Pool, PoolBook, QUEUE_ELAPSED, QUEUE_FULL};

/// A pool with jobs that wait at a gate.
struct Held {
    pool: Pool<CountingDatabase>,
    gate: Gate,
    jobs: tokio::task::JoinSet<u64>,
}

impl Held {
    /// Starts as many jobs as there are connections, all of them running.
    async fn new(pool: Pool<CountingDatabase>) -> Self {
        let gate = Gate::new();
        let mut jobs = tokio::task::JoinSet::new();
        let cap = pool.status().cap;
        for _ in 0..cap {
            let job = pool.run({
                let gate = gate.clone();
                move |connection| {
                    gate.wait();
                    connection.id()
                }
            });
            jobs.spawn(async { job.await.unwrap() });
        }
        eventually("all workers are busy", || gate.waiting() == cap).await;
        Self { pool, gate, jobs }
    }

    async fn end(self) {
        self.gate.open();
        self.jobs.join_all().await;
        assert_quiet(self.pool.ledger()).await;
    }
}

/// Returns a pool whose three connections are idle; the second is the warmest.
async fn with_three_idle() -> Pool<CountingDatabase> {
    let pool = pool(3);
    let held = Held::new(pool.clone()).await;
    for (id, warmth) in [(1, 5), (2, 9), (3, 1)] {
        pool.database().warm(id, warmth);
    }
    held.end().await;
    eventually("all are idle", || pool.status().idle == 3).await;
    pool
}

fn pool(connections: usize) -> Pool<CountingDatabase> {
    Pool::new(CountingDatabase::new(), connections)
}

#[tokio::test]
async fn no_more_jobs_run_than_there_are_connections() {
    let pool = pool(2);
    let gate = Gate::new();
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(pool.run(move |_| gate.wait()))
        })
        .collect();
    eventually("two run", || gate.waiting() == 2).await;
    assert_eq!((pool.status().running, pool.status().queued), (2, 18));
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert_eq!(pool.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    assert_eq!(pool.ledger().of::<PoolBook>().connections.opened.get(), 2);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn one_job_after_the_other_gets_the_same_connection() {
    let pool = pool(4);
    for _ in 0..100 {
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 1);
    }
    assert_eq!(pool.database().opened(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_claim_that_uses_no_connection_opens_none() {
    let pool = pool(1);
    assert!(
        !pool
            .claim()
            .run(|lease| lease.is_connected())
            .await
            .unwrap()
    );
    assert_eq!(pool.database().opened(), 0);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_job_whose_future_is_dropped_in_the_queue_never_runs() {
    let held = Held::new(pool(1)).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let ran = ran.clone();
            held.pool.run(move |_| ran.fetch_add(1, SeqCst))
        })
        .collect();
    assert_eq!(held.pool.status().queued, 100);
    drop(waiting);
    assert_eq!(held.pool.status().queued, 0, "gone at once");
    let pool = held.pool.clone();
    held.end().await;
    pool.run(|_| ()).await.unwrap();
    assert_eq!(ran.load(SeqCst), 0);
    assert_eq!(pool.ledger().of::<PoolBook>().queue.gone.get(), 100);
}

#[tokio::test]
async fn a_running_job_keeps_its_permit_when_its_future_is_dropped() {
    let pool = pool(1);
    let first = Gate::new();
    let second = Gate::new();
    let running = tokio::spawn(pool.run({
        let gate = first.clone();
        move |_| gate.wait()
    }));
    eventually("the first runs", || first.waiting() == 1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let next = tokio::spawn(pool.run({
        let gate = second.clone();
        move |_| gate.wait()
    }));
    eventually("the second is queued", || pool.status().queued == 1).await;
    assert_eq!(second.waiting(), 0, "never two at once");
    first.open();
    eventually("the second runs", || second.waiting() == 1).await;
    assert_eq!(pool.ledger().of::<PoolBook>().publishers.running.peak(), 1);
    second.open();
    next.await.unwrap().unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_job_sees_that_its_client_is_gone() {
    let pool = pool(1);
    let gate = Gate::new();
    let (tell, told) = tokio::sync::oneshot::channel();
    let job = tokio::spawn(pool.claim().run({
        let gate = gate.clone();
        move |lease| {
            gate.wait();
            let _ = tell.send(lease.client_is_gone());
        }
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    job.abort();
    assert!(job.await.is_err());
    gate.open();
    assert!(told.await.unwrap());
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn an_overflowing_queue_refuses_at_once() {
    let held = Held::new(
        Pool::builder(CountingDatabase::new())
            .connections(2)
            .max_queue(3)
            .build(),
    )
    .await;
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(held.pool.run(|_| ())))
        .collect();
    let error = held.pool.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), QUEUE_FULL);
    assert_eq!(held.pool.ledger().of::<PoolBook>().queue.full.get(), 1);
    held.gate.open();
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_too_long_is_refused_and_never_runs() {
    // A paused clock does not advance while a blocking closure runs, so the test moves it.
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .max_wait(Duration::from_secs(30))
        .build();
    let gate = Gate::new();
    let busy = pool.run({
        let gate = gate.clone();
        move |_| gate.wait()
    });
    eventually("it runs", || gate.waiting() == 1).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let late = |deadline: Option<Duration>| {
        let claim = deadline.map_or(pool.claim(), |deadline| pool.claim().deadline(deadline));
        let ran = ran.clone();
        tokio::spawn(claim.run(move |_| ran.fetch_add(1, SeqCst)))
    };
    // The wait begins when the job is queued, not when its future is polled.
    let unpolled = pool.claim().deadline(Duration::from_secs(5)).run(|_| ());
    let short = late(Some(Duration::from_secs(5)));
    let long = late(None);
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(short.await.unwrap().unwrap_err().code(), QUEUE_ELAPSED);
    assert_eq!(unpolled.await.unwrap_err().code(), QUEUE_ELAPSED);
    assert!(!long.is_finished());
    tokio::time::advance(Duration::from_secs(25)).await;
    assert_eq!(long.await.unwrap().unwrap_err().code(), QUEUE_ELAPSED);
    assert_eq!(
        (
            pool.status().queued,
            pool.ledger().of::<PoolBook>().queue.elapsed.get()
        ),
        (0, 3)
    );
    gate.open();
    busy.await.unwrap();
    pool.run(|_| ()).await.unwrap();
    assert_eq!(ran.load(SeqCst), 0);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_panic_only_costs_a_connection() {
    let pool = pool(1);
    for round in 1..=3 {
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), round);
        let error = pool
            .run(|_| panic!("as scripted"))
            .await
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(error.code(), PANICKED);
        assert!(
            error.source().unwrap().to_string().contains("as scripted"),
            "for the log"
        );
        assert_eq!(pool.database().open(), 0);
    }
    let no_text = pool
        .claim()
        .run(|_| std::panic::panic_any(17))
        .await
        .map(|(): ()| ())
        .unwrap_err();
    assert_eq!(no_text.code(), PANICKED);
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::Panicked),
        3
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_thousand_panics_leave_the_cap_served() {
    let pool = pool(2);
    for _ in 0..1000 {
        assert!(
            pool.claim()
                .run(|_| std::panic::resume_unwind(Box::new("quietly")))
                .await
                .map(|(): ()| ())
                .is_err()
        );
    }
    Held::new(pool).await.end().await;
}

#[tokio::test]
async fn an_unreachable_database_is_an_error_until_it_returns() {
    let pool = pool(1);
    pool.database().script(Step::Connect, [Fail(Fault::Other)]);
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), UNAVAILABLE);
    pool.run(|_| ()).await.unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn the_warmest_idle_connection_is_handed_out_first() {
    let pool = with_three_idle().await;
    assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 2);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn when_the_queue_stays_empty_no_thread_is_kept() {
    let pool = pool(2);
    Held::new(pool.clone()).await.end().await;
    eventually("the workers have left", || {
        pool.status().running == 0 && pool.status().idle == 2
    })
    .await;
    let connections = &pool.ledger().of::<PoolBook>().connections;
    assert_eq!(
        (
            connections.idle.get(),
            connections.in_use.get(),
            connections.in_use.peak()
        ),
        (2, 0, 2)
    );
}

#[tokio::test]
async fn a_connection_at_its_maximum_age_is_dropped_after_its_job() {
    let pool = Pool::builder(CountingDatabase::new())
        .max_lifetime(Duration::ZERO)
        .build();
    pool.database().drop_in_workers_only();
    for id in 1..=3 {
        assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), id);
    }
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::Expired),
        3
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn connections_are_dropped_in_workers_when_a_pool_is_closed() {
    let pool = pool(2);
    pool.database().drop_in_workers_only();
    let held = Held::new(pool.clone()).await;
    let waiting = tokio::spawn(pool.run(|_| "served"));
    eventually("one waits", || pool.status().queued == 1).await;
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(Duration::from_secs(60)).await }
    });
    eventually("it is closed", || pool.status().is_closed).await;
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), CLOSED);
    held.end().await;
    assert_eq!(
        waiting.await.unwrap().unwrap(),
        "served",
        "what was queued is served"
    );
    closing.await.unwrap().unwrap();
    assert_eq!(pool.database().open(), 0);
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::Closed),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn closing_has_a_deadline() {
    let pool = pool(1);
    let gate = Gate::new();
    let busy = pool.run({
        let gate = gate.clone();
        move |_| gate.wait()
    });
    eventually("it runs", || gate.waiting() == 1).await;
    let waiting = tokio::spawn(pool.run(|_| ()));
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(Duration::from_secs(5)).await }
    });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), CLOSED);
    assert_eq!(closing.await.unwrap().unwrap_err().running, 1);
    gate.open();
    busy.await.unwrap();
    eventually("its worker dropped the connection", || {
        pool.database().open() == 0
    })
    .await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn the_last_handle_sends_connections_to_a_plain_thread() {
    let pool = pool(1);
    let database = pool.database().clone();
    database.drop_in_workers_only();
    pool.run(|_| ()).await.unwrap();
    eventually("it is idle", || pool.status().idle == 1).await;
    drop(pool);
    eventually("it was dropped", || {
        database
            .events()
            .last()
            .is_some_and(|event| event == "drop")
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_waits_for_its_own_pool_gets_an_error() {
    let pool = pool(1);
    let inner = pool.clone();
    let runtime = tokio::runtime::Handle::current();
    #[expect(
        clippy::disallowed_methods,
        reason = "what must not be done, and is refused"
    )]
    let code = pool
        .claim()
        .run(move |_| runtime.block_on(inner.run(|_| ())).unwrap_err().code())
        .await
        .unwrap();
    assert_eq!(code, WOULD_DEADLOCK);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_transaction_that_waits_for_its_own_pool_gets_an_error() {
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);
    let pool = pool(1);
    let inner = pool.clone();
    let codes = pool.transaction(move |transaction| {
        transaction.connection()?;
        let own = transaction
            .block_on(LONG, inner.run(|_| ()))?
            .unwrap_err()
            .code();
        // A task would wait for the permit without end, so `block_on` ends the wait.
        let task = inner.clone();
        let task = async move { tokio::spawn(async move { task.run(|_| ()).await }).await };
        let other = transaction.block_on(SHORT, task).unwrap_err().code();
        Ok((
            own,
            other,
            transaction.block_on(LONG, async { tokio::task::yield_now().await })?,
        ))
    });
    assert_eq!(codes.await.unwrap(), (WOULD_DEADLOCK, ELAPSED, ()));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn tasks_are_waited_for_when_a_pool_is_closed() {
    for seconds in [5, 20] {
        let pool = pool(1);
        let spawned = pool.transaction(move |transaction| {
            transaction.spawn_after_commit(tokio::time::sleep(Duration::from_secs(seconds)));
            Ok(())
        });
        spawned.await.unwrap();
        assert_eq!(pool.ledger().tasks.running.get(), 1);
        let closed = pool.close(Duration::from_secs(10)).await;
        assert_eq!(
            closed.map_err(|busy| (busy.running, busy.tasks)),
            if seconds < 10 { Ok(()) } else { Err((0, 1)) }
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_quiet(pool.ledger()).await;
    }
}

#[test]
fn a_pool_outlives_its_runtime() {
    let pool = pool(1);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let handle = first.handle().clone();
    first.shutdown_background();
    {
        let _in_the_first = handle.enter();
        assert_eq!(
            refusal(&pool),
            NO_WORKER,
            "a worker was started, but never ran"
        );
    }
    assert_eq!(refusal(&pool), NO_WORKER, "no runtime at all");
    assert_eq!((pool.status().running, pool.status().queued), (0, 0));
    runtime().block_on(async {
        pool.run(|_| ()).await.unwrap();
        assert_quiet(pool.ledger()).await;
    });
}

/// Returns the error code of a job whose worker never runs.
fn refusal(pool: &Pool<CountingDatabase>) -> Code {
    let mut job = std::pin::pin!(pool.run(|_| ()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match Future::poll(job.as_mut(), &mut cx) {
        std::task::Poll::Ready(Err(error)) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn transactions_serve_plain_handlers() {
    let pool = pool(1);
    let value = pool
        .transaction(|transaction| Ok(transaction.connection()?.id()))
        .await
        .unwrap();
    assert_eq!(value, 1);
    pool.read(|transaction| Ok(transaction.connection()?.id()))
        .await
        .unwrap();
    let conflict = pool.claim().transaction_once(|transaction| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Conflict).into())
    });
    assert_eq!(conflict.await.unwrap_err().code(), CONFLICT);
    let mut refused = pool
        .transaction(|_| Err::<(), _>(euryale_core::Abort::status(http::StatusCode::NOT_FOUND)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), REFUSED);
    assert_eq!(
        refused.take_response().unwrap().status(),
        http::StatusCode::NOT_FOUND
    );
    assert_eq!(
        pool.database().story(),
        "connect · begin write · commit · begin read · commit · begin write · abort"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_transaction_left_open_costs_the_connection() {
    let pool = pool(1);
    // Begins a transaction without `Transaction`, as a careless `pool.run` may do.
    pool.claim()
        .run(|lease| {
            let database = lease.database().clone();
            euryale_core::Database::begin(
                &database,
                lease.connection().unwrap(),
                euryale_core::transaction::Access::Write.into(),
            )
            .unwrap();
        })
        .await
        .unwrap();
    assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 2);
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::NotReusable),
        1
    );
    assert_quiet(pool.ledger()).await;
}

/// Several threads run random jobs and abandon some at random moments. All invariants hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_cancelled_jobs_leaves_nothing_behind() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(3)
        .max_queue(64)
        .max_wait(None)
        .build();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let pool = pool.clone();
            let running = running.clone();
            let most = most.clone();
            tokio::spawn(async move {
                for round in 0..500 {
                    let running = running.clone();
                    let most = most.clone();
                    let job = pool.transaction(move |transaction| {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        transaction.connection()?;
                        running.fetch_sub(1, SeqCst);
                        Ok(())
                    });
                    match (task + round) % 3 {
                        0 => drop(job),
                        1 => drop(tokio::time::timeout(Duration::from_micros(50), job).await),
                        _ => drop(job.await),
                    }
                    if task == 0 && round % 50 == 0 {
                        pool.resize(1 + round / 50 % 3);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_quiet(pool.ledger()).await;
    assert!((1..=3).contains(&most.load(SeqCst)), "{most:?} at a time");
    eventually("no connection too many is kept", || {
        pool.database().open() as usize <= pool.status().cap
    })
    .await;
}

#[tokio::test]
async fn a_new_cap_holds_at_run_time() {
    let pool = pool(1);
    let gate = Gate::new();
    let job = || {
        let gate = gate.clone();
        tokio::spawn(pool.run(move |_| gate.wait()))
    };
    let jobs: Vec<_> = (0..6).map(|_| job()).collect();
    eventually("one runs", || gate.waiting() == 1).await;
    pool.resize(3);
    eventually("three run", || gate.waiting() == 3).await;
    pool.resize(1);
    gate.let_through(3);
    eventually("one runs", || gate.passed() == 3 && gate.waiting() == 1).await;
    assert_eq!((pool.status().cap, pool.status().running), (1, 1));
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    eventually("one connection is left", || {
        pool.database().open() == 1 && pool.status().idle == 1
    })
    .await;
    assert_eq!(pool.ledger().of::<PoolBook>().connections.cap.get(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cap_under_load_loses_no_job() {
    let pool = pool(2);
    let work = || {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                pool.run(|connection| connection.id()).await.unwrap();
            }
        })
    };
    let tasks: Vec<_> = (0..32).map(|_| work()).collect();
    let done = |jobs: u64| pool.ledger().of::<PoolBook>().publishers.seconds.count() >= jobs;
    eventually("it is under load", || done(500)).await;
    pool.resize(10);
    eventually("and goes on", || done(3000)).await;
    pool.resize(1);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        pool.ledger().of::<PoolBook>().publishers.seconds.count(),
        32 * 200
    );
    assert!(pool.ledger().of::<PoolBook>().publishers.running.peak() <= 10);
    eventually("one connection is left", || pool.database().open() == 1).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_smaller_cap_drops_the_coldest_idle_connections() {
    let pool = with_three_idle().await;
    pool.resize(1);
    eventually("two are gone", || pool.database().open() == 1).await;
    assert_eq!(pool.run(|connection| connection.id()).await.unwrap(), 2);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn hundreds_of_requeued_jobs_are_served() {
    let pool = pool(1);
    for _ in 0..300 {
        pool.claim().again(true).run(|_| ()).await.unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

#[test]
#[should_panic(expected = "a lane belongs to the pool that made it")]
fn a_lane_of_another_pool_panics_when_a_layer_is_built() {
    let with_lane = Pool::builder(CountingDatabase::new())
        .lane("reports", 1)
        .build();
    let lane = with_lane.lane("reports").unwrap();
    let _ = crate::ConnectionLimitLayer::new(pool(1)).lane(lane, |_| true);
}

#[test]
#[should_panic(expected = "one lane of the name \"default\"")]
fn lanes_must_have_different_names() {
    let _ = Pool::builder(CountingDatabase::new())
        .lane("default", 1)
        .build();
}

#[tokio::test]
async fn a_time_beyond_the_end_of_the_clock_is_no_limit() {
    let pool = Pool::builder(CountingDatabase::new())
        .max_wait(Duration::MAX)
        .connections(1)
        .build();
    pool.run(|_| ()).await.unwrap();
    pool.claim()
        .deadline(Duration::MAX)
        .run(|_| ())
        .await
        .unwrap();
    pool.close(Duration::MAX).await.unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_pool_without_a_database_limits_running_jobs() {
    let pool = Pool::new((), 2);
    let gate = Gate::new();
    let jobs: Vec<_> = (0..5)
        .map(|number| {
            let gate = gate.clone();
            tokio::spawn(pool.transaction(move |transaction| {
                transaction.connection()?;
                gate.wait();
                Ok(number)
            }))
        })
        .collect();
    eventually("two run", || gate.waiting() == 2).await;
    assert_eq!((pool.status().running, pool.status().queued), (2, 3));
    gate.open();
    for (number, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap().unwrap(), number);
    }
    assert_quiet(pool.ledger()).await;
}
