//! Tests of limits that change while jobs wait, and of the recorded times of jobs.

use std::time::Duration;

use euryale_core::request::{Stage, Times};
use euryale_core::transaction::{Claim, DropReason};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tokio::time::advance;

use super::Held;
use crate::{Pool, PoolBook, QUEUE_ELAPSED, QUEUE_FULL};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn waiting_jobs_stay_when_the_limits_of_the_queue_change() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .max_queue(1)
        .build();
    let held = Held::new(pool.clone()).await;
    let mut waiting = vec![tokio::spawn(pool.run(|_| ()))];
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), QUEUE_FULL);
    pool.restrict(3, None);
    waiting.extend((0..2).map(|_| tokio::spawn(pool.run(|_| ()))));
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), QUEUE_FULL);
    pool.restrict(1, Duration::ZERO);
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), QUEUE_FULL);
    pool.restrict(9, Duration::ZERO);
    assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), QUEUE_ELAPSED);
    assert_eq!(pool.status().queued, 3);
    held.gate.open();
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    held.end().await;
}

#[tokio::test]
async fn a_greater_share_starts_waiting_jobs() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(2)
        .lane("reports", 1)
        .build();
    let lane = pool.lane("reports").unwrap();
    let gate = Gate::new();
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(pool.claim().lane(lane).run(move |_| gate.wait()))
        })
        .collect();
    eventually("one runs, one waits", || {
        gate.waiting() == 1 && pool.status().queued == 1
    })
    .await;
    pool.share(lane, 2);
    eventually("both run", || gate.waiting() == 2).await;
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_and_the_run_of_a_job_are_recorded() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .build();
    let first = Gate::new();
    let second = Gate::new();
    let [one, two, three, four] = [(); 4].map(|()| Times::new());
    let job = |times: &Times, gate: &Gate| {
        let gate = gate.clone();
        tokio::spawn(pool.claim().times(times.clone()).run(move |_| gate.wait()))
    };
    let ran = [job(&one, &first), job(&two, &second)];
    eventually("one runs, one waits", || {
        first.waiting() == 1 && pool.status().queued == 1
    })
    .await;
    let late = tokio::spawn(
        pool.claim()
            .times(three.clone())
            .deadline(2 * SECOND)
            .run(|_| ()),
    );
    let gone = tokio::spawn(pool.claim().times(four.clone()).run(|_| ()));
    tokio::task::yield_now().await;
    advance(3 * SECOND).await;
    assert!(late.await.unwrap().is_err());
    gone.abort();
    assert!(gone.await.is_err());
    first.open();
    eventually("the second runs", || second.waiting() == 1).await;
    advance(4 * SECOND).await;
    second.open();
    for job in ran {
        job.await.unwrap().unwrap();
    }
    let told = |times: &Times| {
        let [queued, working] =
            [Stage::Queued, Stage::Working].map(|stage| times.of(stage).as_secs());
        (queued, working, times.publications())
    };
    assert_eq!(
        [told(&one), told(&two), told(&three), told(&four)],
        [(0, 3, 1), (3, 4, 1), (3, 0, 0), (3, 0, 0)]
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_smaller_cap_stops_counting_the_connections_that_it_drops() {
    let pool = super::with_three_idle().await;
    pool.resize(1);
    let connections = &pool.ledger().of::<PoolBook>().connections;
    assert_eq!((pool.status().idle, connections.idle.get()), (1, 1));
    assert_eq!(connections.dropped.get(DropReason::Closed), 2);
    assert_quiet(pool.ledger()).await;
}
