use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use euryale_core::{ErrorKind, Ledger};
use euryale_test::{Gate, assert_quiet, eventually};

use crate::CpuPool;

#[tokio::test]
async fn so_many_run_so_many_wait_and_the_next_is_refused() {
    let ledger = Ledger::new();
    let pool = CpuPool::new().threads(2).max_queue(1).ledger(ledger.clone());
    let gate = Gate::new();
    let hold = || {
        let (pool, gate) = (pool.clone(), gate.clone());
        tokio::spawn(async move { pool.run(move || gate.wait()).await })
    };
    let held = [hold(), hold()];
    eventually("both run", || gate.waiting() == 2).await;
    let waits = hold();
    eventually("one waits", || format!("{pool:?}").contains("waiting: 1")).await;
    assert_eq!(pool.run(|| ()).await.unwrap_err().kind(), ErrorKind::LaneFull);
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    let ran = Arc::new(AtomicBool::new(false));
    let last = tokio::spawn({
        let (pool, ran) = (pool.clone(), ran.clone());
        async move { pool.run(move || ran.store(true, Ordering::SeqCst)).await }
    });
    eventually("it took the place in the queue", || format!("{pool:?}").contains("waiting: 1")).await;
    assert!(!ran.load(Ordering::SeqCst));
    gate.open();
    for task in held {
        task.await.unwrap().unwrap();
    }
    last.await.unwrap().unwrap();
    assert_eq!((gate.passed(), ledger.deferred.cpu.peak(), ledger.deferred.full.get()), (2, 2, 1));
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_thread_is_free() {
    let pool = CpuPool::new().threads(1).max_queue(0);
    for _ in 0..3 {
        let panics = || std::panic::resume_unwind(Box::new("as scripted"));
        assert_eq!(pool.run::<()>(panics).await.unwrap_err().kind(), ErrorKind::Panicked);
    }
    assert_eq!(pool.run(|| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_thread_of_the_pool_must_not_wait_for_the_pool() {
    let pool = CpuPool::new().threads(1);
    let (same, other) = (pool.clone(), CpuPool::new());
    let runtime = tokio::runtime::Handle::current();
    #[expect(clippy::disallowed_methods, reason = "what must be refused")]
    let nested = pool.run(move || {
        let same = runtime.block_on(same.run(|| ())).unwrap_err().kind();
        (same, runtime.block_on(other.run(|| 1)).unwrap())
    });
    assert_eq!(nested.await.unwrap(), (ErrorKind::WouldDeadlock, 1));
}
