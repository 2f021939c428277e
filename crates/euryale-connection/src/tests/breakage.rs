//! Tests of foreign code that panics in unexpected places: the permit is returned, and the next job
//! runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use euryale_core::error::NO_WORKER;
use euryale_core::transaction::{Begin, Claim, Fault};
use euryale_core::{BoxError, Database};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually, subscribe_thread};

use crate::{Pool, PoolBook, PoolWorker};

/// Panics without calling the panic hook, whose output would be noise.
fn breaks(what: &'static str) {
    std::panic::resume_unwind(Box::new(what));
}

/// Panics when it is dropped: the worst possible payload of a panic.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        breaks("a payload");
    }
}

/// A database whose connections panic when they are inspected or dropped.
#[derive(Clone, Default)]
struct Brittle {
    breaks: Arc<AtomicBool>,
}

struct Glass(Arc<AtomicBool>);

impl Drop for Glass {
    fn drop(&mut self) {
        if self.0.load(SeqCst) {
            breaks("a connection");
        }
    }
}

impl Database for Brittle {
    type Connection = Glass;

    fn connect(&self) -> Result<Glass, BoxError> {
        Ok(Glass(self.breaks.clone()))
    }

    fn begin(&self, _: &mut Glass, _: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    fn commit(&self, _: &mut Glass) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _: &mut Glass) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }

    fn is_reusable(&self, _: &mut Glass) -> bool {
        if self.breaks.load(SeqCst) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
        true
    }

    fn warmth(&self, _: &Glass) -> u64 {
        if self.breaks.load(SeqCst) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
        0
    }
}

#[tokio::test]
async fn a_panic_of_the_database_about_its_connections_returns_the_permit() {
    let database = Brittle::default();
    let pool = Pool::new(database.clone(), 1);
    database.breaks.store(true, SeqCst);
    for _ in 0..3 {
        pool.run(|_| ()).await.unwrap();
    }
    database.breaks.store(false, SeqCst);
    pool.run(|_| ()).await.unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn panics_of_dropped_idle_connections_return_the_permit() {
    let database = Brittle::default();
    let pool = Pool::new(database.clone(), 2);
    let gate = Gate::new();
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(pool.run(move |_| gate.wait()))
        })
        .collect();
    eventually("both run", || gate.waiting() == 2).await;
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    eventually("both are idle", || pool.status().idle == 2).await;
    let ledger = pool.ledger().clone();
    database.breaks.store(true, SeqCst);
    drop(pool);
    // A worker that is about to end may be the last owner.
    eventually("they are dropped", || {
        ledger.of::<PoolBook>().connections.idle.get() == 0
    })
    .await;
    assert_quiet(&ledger).await;
}

/// A subscriber that panics at each event, for example because the log cannot be written.
struct BrokenSubscriber;

impl tracing::Subscriber for BrokenSubscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        breaks("a subscriber");
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_panic_of_the_subscriber_returns_the_permit() {
    let database = Brittle::default();
    let start = |worker: PoolWorker| {
        std::thread::spawn(|| {
            let _broken = subscribe_thread(BrokenSubscriber);
            worker.run();
        });
    };
    let pool = Pool::builder(database.clone())
        .connections(1)
        .threads(start)
        .build();
    database.breaks.store(true, SeqCst);
    for _ in 0..3 {
        let job = tokio::spawn(pool.run(|_| ()));
        eventually("it is answered", || job.is_finished()).await;
        job.await.unwrap().unwrap();
    }
    database.breaks.store(false, SeqCst);
    assert_quiet(pool.ledger()).await;
}

struct BrokenWaker;

impl Wake for BrokenWaker {
    fn wake(self: Arc<Self>) {
        breaks("a waker");
    }
}

#[tokio::test]
async fn a_panic_of_a_waker_returns_the_permit() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let gate = Gate::new();
    let mut first = Box::pin(pool.run({
        let gate = gate.clone();
        move |_| gate.wait()
    }));
    let waker = Waker::from(Arc::new(BrokenWaker));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    eventually("it runs", || gate.waiting() == 1).await;
    let second = tokio::spawn(pool.run(|_| ()));
    eventually("one waits", || pool.status().queued == 1).await;
    gate.open();
    second.await.unwrap().unwrap();
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn panics_of_dropped_results_and_jobs_return_the_permit() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let gate = Gate::new();
    let job = tokio::spawn(pool.claim().run({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Bomb
        }
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    job.abort();
    assert!(job.await.is_err());
    // The result is not fetched, so it is dropped in the worker.
    gate.open();
    pool.run(|_| ()).await.unwrap();
    assert_quiet(pool.ledger()).await;
}

/// If the system refuses to start a thread, the job is refused. Once threads can be started again,
/// jobs run again.
#[test]
fn jobs_are_refused_while_the_system_has_no_threads() {
    let runtime = |stack: usize| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder
            .enable_all()
            .thread_stack_size(stack)
            .build()
            .unwrap()
    };
    let pool = Pool::new(CountingDatabase::new(), 1);
    // No address space has room for a stack of this size.
    let without_threads = runtime(1 << 60);
    without_threads.block_on(async {
        for _ in 0..3 {
            assert_eq!(pool.run(|_| ()).await.unwrap_err().code(), NO_WORKER);
        }
    });
    assert_eq!((pool.status().running, pool.status().queued), (0, 0));
    runtime(1 << 20).block_on(async {
        pool.run(|_| ()).await.unwrap();
        assert_quiet(pool.ledger()).await;
    });
}
