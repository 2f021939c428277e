use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use euryale_core::Ledger;
use euryale_core::error::PANICKED;
use euryale_core::transaction::Claim;
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually, run_readme};
use tokio::net::TcpListener;

use crate::threads::{QUEUE_FULL, Threads};

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let app = crate::app(&folder.path().join("swap-pool.db"), &ledger).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    run_readme(include_str!("../README.md"), address);
    assert_eq!(ledger.transactions.committed.get(), 3);
    assert_quiet(&ledger).await;
    serving.abort();
}

/// The rules of `Claim` hold for this pool.
#[tokio::test]
async fn the_cap_holds_even_if_futures_are_dropped() {
    let threads = Threads::new(CountingDatabase::new(), 2, 8, &Ledger::new()).unwrap();
    let gate = Gate::new();
    let ran = Arc::new(AtomicU32::new(0));
    let job = || {
        let gate = gate.clone();
        let ran = Arc::clone(&ran);
        threads.clone().run(move |_| {
            ran.fetch_add(1, SeqCst);
            gate.wait();
        })
    };
    // Each job is queued before its future is polled.
    let started = [job(), job()];
    eventually("two run", || gate.waiting() == 2).await;
    let waiting: Vec<_> = std::iter::repeat_with(job).take(8).collect();
    assert_eq!(job().await.unwrap_err().code(), QUEUE_FULL);
    drop(started);
    drop(waiting);
    assert_eq!(gate.waiting(), 2);
    gate.open();
    while threads.clone().run(|_| ()).await.is_err() {
        // Jobs of clients that have left still have their places: the price of a plain channel.
        tokio::task::yield_now().await;
    }
    assert_eq!(ran.load(SeqCst), 2, "who has gone is never run");
    let panics = threads.run(|_| std::panic::resume_unwind(Box::new("a job")));
    let error: Result<(), _> = panics.await;
    assert_eq!(error.unwrap_err().code(), PANICKED);
}
