//! A request costs a bounded number of allocations in all layers together. In a program of its own:
//! the allocator is the process's.

#[path = "../benches/onion/counted.rs"]
mod counted;
#[path = "../benches/onion/mod.rs"]
#[expect(dead_code, reason = "the benchmark of each layer uses the rest")]
mod onion;

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex};

use euryale::Pool;
use euryale::connection::PoolWorker;
use tower::ServiceExt;

use self::counted::counted;

/// Of `forwarded`, `virtual host`, transforms and the stack, around a claim and a publisher.
const MOST: f64 = 20.0;

/// A task of the runtime that starts or ends is not the layers', so the least of several rounds
/// counts.
const ROUNDS: usize = 3;

/// Workers on one thread for each pool, and how many have not ended.
#[derive(Default)]
struct Workers {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Workers {
    fn pool(self: &Arc<Self>) -> Pool<()> {
        let (sender, jobs) = sync_channel::<PoolWorker>(1);
        let workers = Arc::clone(self);
        // It ends with the pool.
        std::thread::spawn(move || {
            for worker in jobs {
                worker.run();
                *workers.running.lock().expect("no panic") -= 1;
                workers.ended.notify_all();
            }
        });
        let workers = Arc::clone(self);
        let start = move |worker| {
            *workers.running.lock().expect("no panic") += 1;
            sender.send(worker).expect("the thread runs");
        };
        Pool::builder(()).connections(1).threads(start).build()
    }

    /// Waits until no worker is left. A worker stays for a moment in case a job arrives, and on a
    /// busy machine the next request comes too late for it. So that all requests cost the same,
    /// each one starts its worker.
    fn end(&self) {
        let running = self.running.lock().expect("no panic");
        let ended = self.ended.wait_while(running, |running| *running > 0);
        drop(ended.expect("no panic"));
    }
}

#[tokio::test]
async fn all_layers_together_allocate_no_more_than_they_did() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let workers = Arc::<Workers>::default();
    let claimed = onion::claimed(workers.pool());
    let whole = onion::whole(workers.pool());
    let within = || async {
        drop(claimed.clone().oneshot(onion::request()).await);
        workers.end();
    };
    let around = || async {
        drop(whole.clone().oneshot(onion::request()).await);
        workers.end();
    };
    let mut inner = f64::INFINITY;
    let mut all = f64::INFINITY;
    for _ in 0..ROUNDS {
        inner = inner.min(counted(within).await.0);
        all = all.min(counted(around).await.0);
    }
    let layers = all - inner;
    println!("{layers:.2} allocations in the layers, {all:.2} with claim and publisher");
    // The layers are there, and something is counted.
    assert!(inner > 1.0 && layers > 1.0, "{all} - {inner}");
    assert!(
        layers.round() <= MOST,
        "{layers:.2} allocations in the layers"
    );
}
