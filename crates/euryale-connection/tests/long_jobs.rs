//! Jobs that take long are logged. In a program of its own: the subscriber is the process's.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::time::Duration;

use euryale_connection::Pool;
use euryale_core::request::Route;
use euryale_core::transaction::Claim;
use euryale_test::{CountingDatabase, Gate, Log, assert_quiet, eventually};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// One after the other: they share the log.
#[tokio::test(start_paused = true)]
async fn slow_jobs_are_logged_if_a_limit_is_set() {
    let log = Log::of_process();
    no_job_is_logged_without_a_limit(&log).await;
    a_slow_job_is_logged_once_while_it_runs(&log).await;
    waiting_jobs_are_logged_once_and_do_not_flood_the_log(&log).await;
}

async fn no_job_is_logged_without_a_limit(log: &Log) {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .warn_after(None)
        .build();
    let gate = Gate::new();
    let job = pool.run({
        let gate = gate.clone();
        move |_| gate.wait()
    });
    eventually("it runs", || gate.waiting() == 1).await;
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        0,
        "nobody looks"
    );
    advance(3600 * SECOND).await;
    tokio::task::yield_now().await;
    assert_eq!(log.lines(), [""; 0]);
    gate.open();
    job.await.unwrap();
    assert_quiet(pool.ledger()).await;
}

async fn a_slow_job_is_logged_once_while_it_runs(log: &Log) {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(2)
        .lane("reports", 1)
        .build();
    let gate = Gate::new();
    let wait = || {
        let gate = gate.clone();
        move |_: &mut euryale_core::transaction::Lease<'_, CountingDatabase>| gate.wait()
    };
    let claim = pool
        .claim()
        .lane(pool.lane("reports").unwrap())
        .route(Route::new("/orders/{id}"));
    let first = claim.run(wait());
    eventually("it runs", || gate.waiting() == 1).await;
    advance(4 * SECOND).await;
    let second = pool.claim().run(wait());
    eventually("both run", || gate.waiting() == 2).await;
    advance(5 * SECOND).await;
    tokio::task::yield_now().await;
    assert_eq!(log.lines(), [""; 0], "9 s are not 10 s");

    advance(2 * SECOND).await;
    eventually("the first is logged", || !log.lines().is_empty()).await;
    let line = "WARN a slow job still holds its worker \
                route=/orders/{id} lane=\"reports\" phase=publishing age=11s waited=0ns attempt=1 \
                pass=1";
    assert_eq!(log.lines(), [line]);
    advance(4 * SECOND).await;
    eventually("the second is logged", || log.lines().len() == 2).await;
    let line = "WARN a slow job still holds its worker \
                lane=\"default\" phase=publishing age=11s waited=0ns attempt=1 pass=1";
    assert_eq!(log.lines()[1], line);

    for _ in 0..10 {
        advance(60 * SECOND).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(log.lines().len(), 2, "once each");
    gate.open();
    first.await.unwrap();
    second.await.unwrap();
    pool.run(|_| ()).await.unwrap();
    advance(60 * SECOND).await;
    assert_eq!(log.lines().len(), 2, "nothing of those that ended");
    assert_quiet(pool.ledger()).await;
}

async fn waiting_jobs_are_logged_once_and_do_not_flood_the_log(log: &Log) {
    let builder = Pool::builder(CountingDatabase::new())
        .connections(1)
        .lane("reports", 1)
        .max_wait(None);
    let pool = builder.build();
    let gate = Gate::new();
    let stuck = pool.run({
        let gate = gate.clone();
        move |_| gate.wait()
    });
    eventually("it runs", || gate.waiting() == 1).await;
    advance(11 * SECOND).await;
    let before = log.lines().len();
    eventually("it is logged, and nothing is looked after any more", || {
        log.lines().len() == before + 1
    })
    .await;
    let before = before + 1;
    let reports = pool.lane("reports").unwrap();
    let first = pool
        .claim()
        .lane(reports)
        .route(Route::new("/report"))
        .run(|_| ());
    advance(3 * SECOND).await;
    let others: Vec<_> = (0..11).map(|_| pool.run(|_| ())).collect();
    advance(6 * SECOND).await;
    tokio::task::yield_now().await;
    assert_eq!(log.lines().len(), before, "9 s are not 10 s");
    advance(2 * SECOND).await;
    eventually("the first is logged", || log.lines().len() == before + 1).await;
    let line = "WARN a job waits long for a worker \
                route=/report lane=\"reports\" phase=queued age=11s attempt=1 pass=1";
    assert_eq!(log.lines()[before], line);
    advance(3 * SECOND).await;
    eventually("so are the others", || log.lines().len() == before + 12).await;
    let lines = &log.lines()[before + 1..];
    let line =
        "WARN a job waits long for a worker lane=\"default\" phase=queued age=11s attempt=1 pass=1";
    assert!(
        lines[..10].iter().all(|logged| logged == line),
        "{lines:#?}"
    );
    assert_eq!(lines[10], "WARN others wait as long jobs=1 phase=queued");
    for _ in 0..10 {
        advance(60 * SECOND).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(log.lines().len(), before + 12, "once each");
    gate.open();
    stuck.await.unwrap();
    first.await.unwrap();
    for other in others {
        other.await.unwrap();
    }
    assert_quiet(pool.ledger()).await;
}
