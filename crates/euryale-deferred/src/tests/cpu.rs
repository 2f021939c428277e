use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use euryale_core::{ErrorKind, Ledger};
use euryale_test::{Gate, assert_quiet, eventually};

use crate::CpuPool;

#[tokio::test]
async fn so_many_run_so_many_wait_and_the_next_is_refused() {
    let ledger = Ledger::new();
    let pool = CpuPool::new()
        .threads(2)
        .max_queue(1)
        .ledger(ledger.clone());
    let gate = Gate::new();
    let hold = || {
        let pool = pool.clone();
        let gate = gate.clone();
        tokio::spawn(async move { pool.run(move || gate.wait()).await })
    };
    let held = [hold(), hold()];
    eventually("both run", || gate.waiting() == 2).await;
    let waits = hold();
    eventually("one waits", || format!("{pool:?}").contains("waiting: 1")).await;
    assert_eq!(
        pool.run(|| ()).await.unwrap_err().kind(),
        ErrorKind::LaneFull
    );
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    let ran = Arc::new(AtomicBool::new(false));
    let last = tokio::spawn({
        let pool = pool.clone();
        let ran = ran.clone();
        async move { pool.run(move || ran.store(true, Ordering::SeqCst)).await }
    });
    eventually("it took the place in the queue", || {
        format!("{pool:?}").contains("waiting: 1")
    })
    .await;
    assert!(!ran.load(Ordering::SeqCst));
    gate.open();
    for task in held {
        task.await.unwrap().unwrap();
    }
    last.await.unwrap().unwrap();
    let lane = ledger.lanes.of("cpu");
    assert_eq!(
        (gate.passed(), lane.running.peak(), lane.refused.get()),
        (2, 2, 1)
    );
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn work_with_a_place_is_not_refused() {
    let ledger = Ledger::new();
    let pool = CpuPool::new()
        .threads(1)
        .max_queue(1)
        .ledger(ledger.clone());
    let places = [pool.reserve().unwrap(), pool.reserve().unwrap()];
    assert_eq!(pool.reserve().unwrap_err().kind(), ErrorKind::LaneFull);
    for place in places {
        place.run(|| ()).await.unwrap();
    }
    pool.run(|| ()).await.unwrap();
    assert_quiet(&ledger).await;
}
