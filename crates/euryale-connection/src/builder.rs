//! Settings of a pool.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use euryale_core::transaction::ConflictRule;
use euryale_core::{Database, Ledger};
use tokio::sync::Notify;

use crate::PoolBook;
use crate::exclusive::Exclusion;
use crate::queue::Queue;
use crate::state::idle::Ages;
use crate::state::reach::Reach;
use crate::state::{PoolState, SharedPool, as_count};
use crate::tasks::Tasks;
use crate::threads::{BlockingThreads, StartWorker};

/// The settings of a [`Pool`](crate::Pool). [`Pool::builder`](crate::Pool::builder) creates them,
/// and [`build`](PoolBuilder::build) turns them into a pool.
#[must_use]
pub struct PoolBuilder<D> {
    database: D,
    connections: usize,
    max_queue: usize,
    max_wait: Option<Duration>,
    max_lifetime: Option<Duration>,
    idle_timeout: Option<Duration>,
    warn_after: Option<Duration>,
    exclusive_wait: Duration,
    lanes: Vec<(String, usize)>,
    conflicts: ConflictRule,
    ledger: Ledger,
    threads: Option<Box<dyn StartWorker>>,
}

impl<D: Database> PoolBuilder<D> {
    pub(crate) fn new(database: D) -> Self {
        Self {
            database,
            connections: 2,
            max_queue: 1024,
            max_wait: Some(Duration::from_secs(30)),
            max_lifetime: None,
            idle_timeout: None,
            warn_after: Some(Duration::from_secs(10)),
            exclusive_wait: Duration::from_secs(2),
            lanes: Vec::new(),
            conflicts: ConflictRule::new(),
            ledger: Ledger::new(),
            threads: None,
        }
    }

    /// The cap: the maximum number of connections, and therefore of jobs that run at a time.
    /// Default: 2, as in ZServer.
    pub fn connections(mut self, cap: usize) -> Self {
        self.connections = cap;
        self
    }

    /// The maximum number of waiting jobs. Further ones are refused at once. Default: 1024.
    pub fn max_queue(mut self, jobs: usize) -> Self {
        self.max_queue = jobs;
        self
    }

    /// The maximum time that a job waits each time it is queued. Default: 30 s; `None` for no
    /// limit.
    pub fn max_wait(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.max_wait = wait.into();
        self
    }

    /// The age at which a connection is dropped, after its job or while it is idle. Default: none.
    pub fn max_lifetime(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = age.into();
        self
    }

    /// The time after which an idle connection is dropped. Set it below the time after which the
    /// database, or anything in between, closes idle connections. Default: none.
    ///
    /// Connections are closed in time even without traffic. A worker closes them and holds a permit
    /// meanwhile, so a job that arrives waits for at most one such close, and only if no other
    /// permit is free.
    pub fn idle_timeout(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = time.into();
        self
    }

    /// The time after which a running job is logged, once and at WARN, while it still runs: its
    /// route, its lane, its [`Phase`](euryale_core::transaction::Phase), its age, and how long it
    /// was queued. A job that has waited for this long and still waits is logged in the same way,
    /// with the phase `queued`; at most ten such jobs a second are named, and the rest are counted.
    /// Default: 10 s, which is the last bound of `euryale_publish_seconds`, and well before waiting
    /// jobs are refused (`max_wait`). `None` logs nothing. Needs tokio's timer, like waiting
    /// itself.
    ///
    /// [`Status::holders`](crate::Status::holders) lists the running jobs at any time.
    pub fn warn_after(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.warn_after = age.into();
        self
    }

    /// The maximum time for which an [exclusive](ConflictRule::exclusive) attempt waits for
    /// running jobs, and for which other jobs wait for it. A job whose deadline is earlier waits
    /// until then. After the wait the job begins all the same, and [`PoolBook::exclusive`] counts
    /// the attempt as not alone. Default: 2 s.
    ///
    /// A waiting job holds its worker, so it counts as running. If jobs of the pool often run for
    /// longer than this, each exclusive attempt stops the pool for that time in vain: use none.
    pub fn exclusive_wait(mut self, time: Duration) -> Self {
        self.exclusive_wait = time;
        self
    }

    /// Adds a lane, whose jobs never run on more than `share` connections at a time; 0 counts as 1.
    pub fn lane(mut self, name: impl Into<String>, share: usize) -> Self {
        self.lanes.push((name.into(), share.max(1)));
        self
    }

    /// Runs the workers on these threads: the program's own, or a declared number of tokio's
    /// threads. Default: [`BlockingThreads`] for as many workers as the pool has connections.
    pub fn threads(mut self, threads: impl StartWorker) -> Self {
        self.threads = Some(Box::new(threads));
        self
    }

    /// The rule by which [transactions](crate::Pool::transaction) are retried after a conflict. It
    /// counts in the pool's ledger. Default: 3 retries, after pauses of up to 10, 20 and 40 ms.
    /// Requests that a `Stack` publishes have a separate policy.
    pub fn retry(mut self, rule: ConflictRule) -> Self {
        self.conflicts = rule;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Returns the state that the pool's handles will share.
    pub(crate) fn into_shared(self) -> SharedPool<D> {
        static POOLS: AtomicU64 = AtomicU64::new(0);
        assert!(self.connections > 0, "a pool needs at least one connection");
        let Self {
            database,
            connections: cap,
            max_queue,
            max_wait,
            max_lifetime,
            idle_timeout,
            warn_after,
            exclusive_wait,
            lanes,
            conflicts,
            ledger,
            threads,
        } = self;
        let mut names = vec![Arc::from("default")];
        for (name, _) in &lanes {
            let name = Arc::from(name.as_str());
            assert!(
                !names.contains(&name),
                "a pool has one lane of the name {name:?} already"
            );
            names.push(name);
        }
        let book: Arc<PoolBook> = ledger.of();
        book.connections.cap.set(as_count(cap));
        let shares = std::iter::once(usize::MAX).chain(lanes.iter().map(|lane| lane.1));
        let queue = Queue::new(cap, max_queue, shares);
        let threads = threads.unwrap_or_else(|| Box::new(BlockingThreads::new(cap, &ledger)));
        threads.resize(cap);
        SharedPool {
            database,
            conflicts: conflicts.ledger(ledger.clone()),
            ledger,
            threads,
            resizing: Mutex::new(()),
            book,
            spins: std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
            called: AtomicBool::new(false),
            left: Notify::new(),
            tasks: Tasks::default(),
            exclusion: Exclusion::new(exclusive_wait),
            ages: Ages {
                max_lifetime,
                idle_timeout,
            },
            warn_after,
            reach: Reach::default(),
            id: POOLS.fetch_add(1, Ordering::Relaxed),
            lanes: names,
            state: Mutex::new(PoolState::new(queue, max_wait)),
        }
    }
}

impl<D> fmt::Debug for PoolBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("connections", &self.connections)
            .field("max_queue", &self.max_queue)
            .field("max_wait", &self.max_wait)
            .finish_non_exhaustive()
    }
}
