//! A report of a pool while everything hangs: its workers, and every thread of the runtime.

use std::sync::{Arc, Barrier};
use std::thread;

use euryale_connection::Pool;
use euryale_core::request::Route;
use euryale_core::transaction::Claim;
use euryale_test::{CountingDatabase, Gate, Log, assert_quiet, eventually};

#[test]
fn plain_thread_reports_running_and_waiting_jobs_while_all_threads_are_stuck() {
    const THREADS: usize = 2;
    let log = Log::of_process();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .lane("uploads", 1)
        .build();
    let gate = Gate::new();
    let job = |route: &str| {
        let gate = gate.clone();
        let claim = pool.claim().route(Route::new(route));
        runtime.spawn(async move { claim.run(move |_| gate.wait()).await })
    };
    let gone = job("/gone");
    runtime.block_on(eventually("it runs", || gate.waiting() == 1));
    gone.abort();
    assert!(runtime.block_on(gone).unwrap_err().is_cancelled());
    let mut waiting = Vec::new();
    // More than are named.
    for number in 0..103 {
        waiting.push(job("/next"));
        runtime.block_on(eventually("it waits", || {
            pool.status().queued == number + 1
        }));
    }
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let stuck: Vec<_> = (0..THREADS)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            runtime.spawn(async move {
                barrier.wait();
                barrier.wait();
            })
        })
        .collect();
    barrier.wait();
    let reporting = pool.clone();
    thread::spawn(move || reporting.report()).join().unwrap();
    let lines = log.lines();
    let first = &lines[0];
    assert!(
        first.contains("workers cap=1 running=1 queued=103 idle=0"),
        "{first}"
    );
    let holder = &lines[1];
    let about = "a job holds a worker route=/gone lane=\"default\" phase=publishing age=";
    assert!(
        holder.contains(about) && holder.ends_with("abandoned=true"),
        "{holder}"
    );
    let waiter = &lines[2];
    let about = "a job waits route=/next lane=\"default\" phase=queued age=";
    assert!(
        waiter.contains(about) && waiter.ends_with("attempt=1 pass=1"),
        "{waiter}"
    );
    assert_eq!(lines.len(), 1 + 1 + 100 + 1, "{lines:?}");
    assert!(lines[102].contains("others wait jobs=3"), "{lines:?}");
    barrier.wait();
    gate.open();
    runtime.block_on(async {
        for task in stuck {
            task.await.unwrap();
        }
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        assert_quiet(pool.ledger()).await;
    });
}
