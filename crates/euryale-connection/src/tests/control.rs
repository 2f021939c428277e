//! Tests of the view for operators.

use std::time::Duration;

use euryale_core::pool::{NoSuchLane, PoolControl};
use euryale_test::{CountingDatabase, eventually};

use super::{Held, pool};
use crate::{Pool, QUEUE_FULL};

fn control(pool: &Pool<CountingDatabase>) -> &dyn PoolControl {
    pool
}

#[tokio::test]
async fn an_operator_changes_a_pool_without_knowing_its_database() {
    let held = Held::new(
        Pool::builder(CountingDatabase::new())
            .connections(1)
            .lane("reports", 1)
            .build(),
    )
    .await;
    let control = control(&held.pool);
    assert_eq!(control.lanes().join(" "), "default reports");
    let reports = held.pool.lane("reports").unwrap();
    let gate = held.gate.clone();
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let gate = gate.clone();
            let claim = held.pool.claim().lane(reports);
            tokio::spawn(claim.on_connection(move |_| gate.wait()))
        })
        .collect();
    assert_eq!(control.status().queued, 2);
    assert_eq!(control.waiters(9).len(), 2);
    control.resize(3);
    eventually("one of the lane runs", || gate.waiting() == 2).await;
    assert_eq!(control.status().holders.len(), 2);
    control.share("reports", 2).unwrap();
    eventually("both of the lane run", || gate.waiting() == 3).await;
    control.restrict(0, None);
    assert!(control.is_reachable());
    let refused = held.pool.run(|_| ()).await.unwrap_err();
    assert_eq!(refused.code(), QUEUE_FULL);
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    held.end().await;
}

#[test]
fn a_missing_lane_is_an_error_with_its_name() {
    let pool = pool(1);
    let error = control(&pool).share("reports", 2).unwrap_err();
    assert_eq!(error, NoSuchLane::new("reports"));
    assert!(error.to_string().contains("\"reports\""), "{error}");
}

#[tokio::test]
async fn an_operator_closes_a_pool() {
    let held = Held::new(pool(1)).await;
    let busy = control(&held.pool).close(Duration::ZERO).await.unwrap_err();
    assert_eq!((busy.stopped, busy.running), (0, 1));
    assert!(control(&held.pool).status().is_closed);
    held.end().await;
}
