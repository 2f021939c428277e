use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use euryale_test::{Gate, eventually};

use super::assert_quiet;
use crate::error::LANE_FULL;
use crate::ledger::Ledger;
use crate::threads::BlockingLane;

#[tokio::test]
async fn work_beyond_the_running_and_waiting_limits_is_refused() {
    let ledger = Ledger::new();
    let lane = BlockingLane::cpu()
        .resized(2)
        .max_waiting(1)
        .ledger(ledger.clone());
    let gate = Gate::new();
    let hold = || {
        let lane = lane.clone();
        let gate = gate.clone();
        tokio::spawn(async move { lane.run(move || gate.wait()).await })
    };
    let held = [hold(), hold()];
    eventually("both run", || gate.waiting() == 2).await;
    let waits = hold();
    eventually("one waits", || format!("{lane:?}").contains("waiting: 1")).await;
    assert_eq!(lane.run(|| ()).await.unwrap_err().code(), LANE_FULL);
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    let ran = Arc::new(AtomicBool::new(false));
    let last = tokio::spawn({
        let lane = lane.clone();
        let ran = ran.clone();
        async move { lane.run(move || ran.store(true, Ordering::SeqCst)).await }
    });
    eventually("it took the place in the queue", || {
        format!("{lane:?}").contains("waiting: 1")
    })
    .await;
    assert!(!ran.load(Ordering::SeqCst));
    gate.open();
    for task in held {
        task.await.unwrap().unwrap();
    }
    last.await.unwrap().unwrap();
    let meter = ledger.lanes.of("cpu");
    assert_eq!(
        (gate.passed(), meter.running.peak(), meter.refused.get()),
        (2, 2, 1)
    );
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn work_with_a_place_is_not_refused() {
    let ledger = Ledger::new();
    let lane = BlockingLane::cpu()
        .resized(1)
        .max_waiting(1)
        .ledger(ledger.clone());
    let places = [lane.reserve().unwrap(), lane.reserve().unwrap()];
    assert_eq!(lane.reserve().unwrap_err().code(), LANE_FULL);
    for place in places {
        place.run(|| ()).await.unwrap();
    }
    lane.run(|| ()).await.unwrap();
    assert_quiet(&ledger).await;
}
