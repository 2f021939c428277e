//! Tests of workers on the program's own threads.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::error::{NO_WORKER, WOULD_DEADLOCK};
use euryale_core::transaction::Stopped;
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tokio::task::JoinSet;

use super::Held;
use crate::{BlockingThreads, Pool, PoolBuilder, PoolWorker, StartWorker};

/// Threads that live as long as the pool has workers for them.
#[derive(Clone)]
struct LongLived(Arc<Threads>);

struct Threads {
    sender: Mutex<Option<Sender<PoolWorker>>>,
    receiver: Mutex<Receiver<PoolWorker>>,
    /// The intended number of threads.
    wanted: AtomicUsize,
    /// The current number of threads.
    alive: AtomicUsize,
    started: AtomicUsize,
}

impl LongLived {
    fn new() -> Self {
        let (sender, receiver) = channel();
        Self(Arc::new(Threads {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(receiver),
            wanted: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
        }))
    }

    fn alive(&self) -> usize {
        self.0.alive.load(SeqCst)
    }

    fn started(&self) -> usize {
        self.0.started.load(SeqCst)
    }
}

impl Threads {
    /// Ends one thread if there are too many.
    fn may_end(&self) -> bool {
        let wanted = self.wanted.load(SeqCst);
        let one_less = |alive| (alive > wanted).then(|| alive - 1);
        self.alive.fetch_update(SeqCst, SeqCst, one_less).is_ok()
    }

    fn work(&self) {
        loop {
            let next = self.receiver.lock().unwrap().recv();
            let Ok(worker) = next else {
                self.alive.fetch_sub(1, SeqCst);
                return;
            };
            worker.run();
            if self.may_end() {
                return;
            }
        }
    }
}

impl StartWorker for LongLived {
    fn start(&self, worker: PoolWorker) {
        let sender = self.0.sender.lock().unwrap();
        sender.as_ref().unwrap().send(worker).unwrap();
    }

    fn resize(&self, workers: usize) {
        self.0.wanted.store(workers, SeqCst);
        while self.alive() < workers {
            self.0.alive.fetch_add(1, SeqCst);
            let number = self.0.started.fetch_add(1, SeqCst);
            let threads = Arc::clone(&self.0);
            thread::Builder::new()
                .name(format!("publisher-{number}"))
                .spawn(move || threads.work())
                .unwrap();
        }
    }
}

/// Ends the threads of a pool with the pool.
struct Hangup(LongLived);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.0.sender.lock().unwrap().take();
    }
}

impl StartWorker for Hangup {
    fn start(&self, worker: PoolWorker) {
        self.0.start(worker);
    }

    fn resize(&self, workers: usize) {
        self.0.resize(workers);
    }
}

fn builder(threads: &LongLived, connections: usize) -> PoolBuilder<CountingDatabase> {
    Pool::builder(CountingDatabase::new())
        .connections(connections)
        .threads(Hangup(threads.clone()))
}

async fn no_worker(pool: &Pool<CountingDatabase>) {
    eventually("no worker is left", || pool.status().running == 0).await;
}

thread_local! {
    static VISITS: Cell<usize> = const { Cell::new(0) };
}

fn visit() -> (ThreadId, usize) {
    VISITS.set(VISITS.get() + 1);
    (thread::current().id(), VISITS.get())
}

#[tokio::test]
async fn a_thread_keeps_its_name_and_its_thread_local_values_between_workers() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1).build();
    let (first, _) = pool.run(|_| visit()).await.unwrap();
    for visits in 2..6 {
        no_worker(&pool).await;
        assert_eq!(pool.run(|_| visit()).await.unwrap(), (first, visits));
    }
    let name = pool.run(|_| thread::current().name().map(str::to_owned));
    assert_eq!(name.await.unwrap().as_deref(), Some("publisher-0"));
    assert_eq!(threads.started(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn threads_end_with_the_pool() {
    let threads = LongLived::new();
    let pool = builder(&threads, 3).build();
    pool.run(|_| ()).await.unwrap();
    assert_eq!(threads.alive(), 3);
    let ledger = pool.ledger().clone();
    drop(pool);
    eventually("all threads have ended", || threads.alive() == 0).await;
    assert_quiet(&ledger).await;
}

/// Queues three jobs that wait at `gate` once they run.
fn three_jobs(pool: &Pool<CountingDatabase>, gate: &Gate) -> JoinSet<()> {
    (0..3)
        .map(|_| {
            let gate = gate.clone();
            let job = pool.run(move |_| gate.wait());
            async { job.await.unwrap() }
        })
        .collect()
}

#[tokio::test]
async fn a_greater_cap_has_its_threads_before_its_workers() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1).build();
    let gate = Gate::new();
    let jobs = three_jobs(&pool, &gate);
    eventually("one runs", || gate.waiting() == 1).await;
    assert_eq!(threads.alive(), 1);
    pool.resize(3);
    assert_eq!(threads.alive(), 3);
    eventually("three run", || gate.waiting() == 3).await;
    gate.open();
    jobs.join_all().await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_smaller_cap_ends_threads_after_their_jobs() {
    let threads = LongLived::new();
    let pool = builder(&threads, 3).build();
    let held = Held::new(pool.clone()).await;
    pool.resize(1);
    assert_eq!(threads.alive(), 3, "their jobs are not done");
    held.end().await;
    eventually("two threads have ended", || threads.alive() == 1).await;
    no_worker(&pool).await;
    pool.run(|_| ()).await.unwrap();
    assert_eq!((threads.alive(), threads.started()), (1, 3));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_worker_has_the_runtime_of_its_pool_on_any_thread() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1).build();
    let (told, hears) = tokio::sync::oneshot::channel();
    pool.claim()
        .transaction_once(|transaction| {
            transaction.connection()?;
            transaction.spawn_after_commit(async move {
                let _ = told.send(7);
            });
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(hears.await, Ok(7));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn housekeeping_closes_idle_connections_on_the_pools_own_threads() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1)
        .idle_timeout(Duration::from_secs(60))
        .build();
    pool.run(|_| ()).await.unwrap();
    eventually("it is idle", || pool.status().idle == 1).await;
    // The clock is paused only now, because a paused clock does not wait for threads that are not
    // tokio's.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    eventually("it is closed", || pool.status().idle == 0).await;
    assert_eq!(threads.started(), 1);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_own_pool_is_refused_on_any_thread() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1).build();
    let same = pool.clone();
    let inner = pool.run(move |_| {
        let mut waits = Box::pin(same.run(|_| ()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match Future::poll(waits.as_mut(), &mut cx) {
            std::task::Poll::Ready(result) => result.map_err(|error| error.code()),
            std::task::Poll::Pending => Ok(()),
        }
    });
    assert_eq!(inner.await.unwrap(), Err(WOULD_DEADLOCK));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_closed_pool_stops_transactions_on_its_own_threads() {
    let threads = LongLived::new();
    let pool = builder(&threads, 1).build();
    let gate = Gate::new();
    let held = gate.clone();
    let job = tokio::spawn(pool.transaction(move |transaction| {
        transaction.connection()?;
        held.wait();
        Ok(())
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    let closing = pool.close(Duration::ZERO);
    let busy = closing.await.unwrap_err();
    assert_eq!((busy.stopped, busy.running), (1, 1));
    let error = job.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Stopped::Drain.code());
    gate.open();
    no_worker(&pool).await;
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn jobs_are_refused_when_their_worker_is_dropped() {
    let pool = Pool::builder(CountingDatabase::new()).threads(drop::<PoolWorker>);
    let pool = pool.build();
    let error = pool.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), NO_WORKER);
    assert_eq!(pool.status().running, 0);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn jobs_are_refused_when_starting_their_worker_panics() {
    let pool = Pool::builder(CountingDatabase::new())
        .threads(|_worker| panic!("no thread for it"))
        .build();
    let error = pool.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), NO_WORKER);
    assert_eq!(pool.status().running, 0);
    assert_quiet(pool.ledger()).await;
}

/// A pool that starts its workers on plain threads, and is resized to 3 by the first start that
/// finds it in `slot`.
fn resized_by_its_threads(
    slot: &Arc<Mutex<Option<Pool<CountingDatabase>>>>,
) -> Pool<CountingDatabase> {
    let slot = Arc::clone(slot);
    let start = move |worker: PoolWorker| {
        let pool = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pool) = pool {
            pool.resize(3);
        }
        thread::spawn(|| worker.run());
    };
    Pool::builder(CountingDatabase::new())
        .connections(1)
        .threads(start)
        .build()
}

#[tokio::test]
async fn starting_a_worker_may_resize_the_pool() {
    let slot = Arc::default();
    let pool = resized_by_its_threads(&slot);
    let gate = Gate::new();
    let jobs = three_jobs(&pool, &gate);
    eventually("one runs", || gate.waiting() == 1).await;
    *slot.lock().unwrap() = Some(pool.clone());
    let grown = pool.clone();
    let runtime = tokio::runtime::Handle::current();
    // This runs on a separate thread, so that a deadlock fails the test instead of hanging it.
    let resizing = thread::spawn(move || {
        let _entered = runtime.enter();
        grown.resize(2);
    });
    eventually("both calls return", || resizing.is_finished()).await;
    assert_eq!(pool.status().cap, 3);
    eventually("three run", || gate.waiting() == 3).await;
    gate.open();
    jobs.join_all().await;
    assert_quiet(pool.ledger()).await;
}

#[test]
fn only_workers_on_blocking_threads_are_declared() {
    let ledger = Ledger::new();
    let builder = || Pool::builder(CountingDatabase::new()).ledger(ledger.clone());
    let own = builder().connections(8).threads(drop::<PoolWorker>).build();
    assert_eq!(ledger.threads.all(), []);
    let pool = builder().connections(3).build();
    let other = builder().connections(2).build();
    assert_eq!(ledger.threads.all(), [("publishers", 5)]);
    own.resize(9);
    pool.resize(7);
    pool.resize(1);
    assert_eq!(ledger.threads.sum(), 9, "the greatest caps count");
    drop((pool, other));
    let declared = builder().threads(BlockingThreads::new(16, &ledger)).build();
    declared.resize(16);
    assert_eq!(ledger.threads.all(), [("publishers", 16)]);
}

/// Long-lived threads that may not take a second job while the gate is closed.
struct OneJob {
    threads: Hangup,
    may_go_on: Arc<AtomicBool>,
}

impl StartWorker for OneJob {
    fn start(&self, worker: PoolWorker) {
        self.threads.start(worker);
    }

    fn resize(&self, workers: usize) {
        self.threads.resize(workers);
    }

    fn goes_on(&self) -> bool {
        self.may_go_on.load(SeqCst)
    }
}

#[tokio::test]
async fn a_worker_that_may_not_go_on_leaves_its_jobs_to_another_start() {
    let threads = LongLived::new();
    let may_go_on = Arc::new(AtomicBool::new(false));
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .threads(OneJob {
            threads: Hangup(threads.clone()),
            may_go_on: Arc::clone(&may_go_on),
        })
        .build();
    for _ in 0..2 {
        let gate = Gate::new();
        let first = tokio::spawn(pool.run({
            let gate = gate.clone();
            move |_| gate.wait()
        }));
        eventually("it runs", || gate.waiting() == 1).await;
        let rest: Vec<_> = (0..20).map(|_| tokio::spawn(pool.run(|_| ()))).collect();
        eventually("they wait", || pool.status().queued == 20).await;
        gate.open();
        first.await.unwrap().unwrap();
        for one in rest {
            one.await.unwrap().unwrap();
        }
        may_go_on.store(true, SeqCst);
    }
    no_worker(&pool).await;
    let report = pool.status();
    assert_eq!(
        (report.queued, report.idle),
        (0, 1),
        "its connection was kept"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_worker_that_may_not_go_on_ends_with_a_closed_or_a_smaller_pool() {
    let threads = LongLived::new();
    let pool = Pool::builder(CountingDatabase::new())
        .connections(3)
        .threads(OneJob {
            threads: Hangup(threads.clone()),
            may_go_on: Arc::default(),
        })
        .build();
    let gate = Gate::new();
    let running: Vec<_> = (0..3)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(pool.run(move |_| gate.wait()))
        })
        .collect();
    eventually("they run", || gate.waiting() == 3).await;
    let waits = tokio::spawn(pool.run(|_| ()));
    eventually("it waits", || pool.status().queued == 1).await;
    pool.resize(1);
    let closed = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(Duration::from_secs(60)).await }
    });
    gate.open();
    for one in running {
        one.await.unwrap().unwrap();
    }
    waits.await.unwrap().unwrap();
    closed.await.unwrap().unwrap();
    assert_eq!((pool.status().running, pool.status().idle), (0, 0));
    assert_quiet(pool.ledger()).await;
}
