//! The handle to a pool.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use euryale_core::error::CLOSED;
use euryale_core::pool::{Status, StillBusy, Waiter};
use euryale_core::request::Admit;
use euryale_core::{Abort, Database, Error, Ledger, Transaction};

use crate::builder::PoolBuilder;
use crate::claim::PoolClaim;
use crate::closing::{drop_connections, drop_on_a_thread};
use crate::state::{Lane, SharedPool};
use crate::worker::carry_out;
use crate::{QUEUE_FULL, report};

/// The time for stopped transactions to roll back.
const STOPPING: Duration = Duration::from_millis(100);

/// A hard cap on database connections, and the queue in front of it. Clones are handles to the same
/// pool.
///
/// Use a pool from only one runtime, because a worker runs on the runtime of the code that queued
/// the job for which it was started. When that runtime shuts down, jobs that wait for its workers
/// are refused.
///
/// See the [crate's documentation](crate). The trait [`PoolControl`](crate::PoolControl) hides the
/// type of the database, for status pages and consoles:
///
/// ```
/// use euryale_connection::{Pool, PoolControl};
///
/// fn describe(pool: &dyn PoolControl) -> String {
///     let status = pool.status();
///     format!("{} of {} workers, lanes: {:?}", status.running, status.cap, pool.lanes())
/// }
///
/// let pool = Pool::builder(()).connections(4).lane("reports", 2).build();
/// assert_eq!(describe(&pool), r#"0 of 4 workers, lanes: ["default", "reports"]"#);
/// let control: &dyn PoolControl = &pool;
/// control.resize(8);
/// control.share("reports", 3)?;
/// assert_eq!(pool.status().cap, 8);
/// # Ok::<(), euryale_core::pool::NoSuchLane>(())
/// ```
#[doc(alias = "semaphore")]
pub struct Pool<D: Database> {
    shared: Arc<SharedPool<D>>,
}

impl<D: Database> Pool<D> {
    /// Creates a pool with at most `connections` connections and the defaults of [`PoolBuilder`].
    ///
    /// # Panics
    /// `connections` is 0.
    pub fn new(database: D, connections: usize) -> Self {
        Self::builder(database).connections(connections).build()
    }

    /// Returns a builder, for a pool with other settings.
    pub fn builder(database: D) -> PoolBuilder<D> {
        PoolBuilder::new(database)
    }

    /// Runs `job` on a connection, in a worker, without a transaction. The job is queued by this
    /// call, before the future is polled.
    ///
    /// # Errors
    /// By code: [`QUEUE_FULL`], [`QUEUE_ELAPSED`](crate::QUEUE_ELAPSED), [`CLOSED`],
    /// [`NO_WORKER`](euryale_core::error::NO_WORKER) (no thread could be started),
    /// [`UNAVAILABLE`](euryale_core::error::UNAVAILABLE) (could not connect),
    /// [`PANICKED`](euryale_core::error::PANICKED),
    /// [`WOULD_DEADLOCK`](euryale_core::error::WOULD_DEADLOCK) (called in a worker).
    ///
    /// # Cancellation
    /// A job whose future is dropped before it starts never starts. A job that has started runs to
    /// its end, and holds its permit and its connection until then.
    pub fn run<T, F>(
        &self,
        job: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: FnOnce(&mut D::Connection) -> T + Send + 'static,
        T: Send + 'static,
    {
        self.claim().on_connection(job)
    }

    /// Runs `f` in a transaction that may write. The transaction is committed if `f` returns `Ok`.
    ///
    /// After a conflict `f` is called again in a new transaction, by default up to 3 times, with
    /// jittered pauses that hold no worker ([`PoolBuilder::retry`]). These attempts go ahead of new
    /// work. `f` is an `Fn`, so that an aborted attempt leaves nothing in it. If a closure has to
    /// move values out, use [`PoolClaim::transaction_once`].
    ///
    /// ```
    /// use euryale_connection::Pool;
    /// use euryale_core::transaction::Fault;
    /// use euryale_test::{Behaviour, CountingDatabase, Step}; // stands for your database
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), euryale_core::Error> {
    /// let database = CountingDatabase::new();
    /// database.script(Step::Commit, [Behaviour::Fail(Fault::Conflict)]);
    /// let pool = Pool::new(database, 2);
    /// let attempt = pool.transaction(|transaction| {
    ///     transaction.connection()?;
    ///     Ok(transaction.attempt().number())
    /// });
    /// assert_eq!(attempt.await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Pool::run), and
    /// [`CONFLICTS_EXHAUSTED`](euryale_core::error::CONFLICTS_EXHAUSTED) (nothing was committed, so
    /// the call may be repeated), [`IN_DOUBT`](euryale_core::error::IN_DOUBT) (the call must not be
    /// repeated), [`REFUSED`](euryale_core::error::REFUSED) (an abort with a response, which the
    /// error carries), [`APPLICATION`](euryale_core::error::APPLICATION).
    ///
    /// # Cancellation
    /// As for [`run`](Pool::run): a transaction that has begun runs to its end. No further attempt
    /// follows.
    pub fn transaction<T, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.claim().transaction(f)
    }

    /// Runs `f` in a transaction that only reads, and otherwise like
    /// [`transaction`](Pool::transaction).
    ///
    /// # Errors
    /// As for [`transaction`](Pool::transaction).
    pub fn read<T, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: Fn(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.claim().read(f)
    }

    /// Returns a claim, which runs a job with its own settings: a lane, the name of a route, a
    /// deadline.
    pub fn claim(&self) -> PoolClaim<D> {
        PoolClaim::new(self.shared.clone())
    }

    /// Returns the lane with this name, if the pool was built with it.
    pub fn lane(&self, name: &str) -> Option<Lane> {
        self.shared.lane(name)
    }

    /// Returns the names of the lanes, the default lane first.
    pub(crate) fn lane_names(&self) -> &[Arc<str>] {
        &self.shared.lanes
    }

    /// Changes the cap at once. Waiting jobs start if there is room for them. Connections beyond
    /// the new cap are dropped: idle ones at once, and others after their job. 0 counts as 1.
    pub fn resize(&self, connections: usize) {
        let cap = connections.max(1);
        let resizing = self
            .shared
            .resizing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let grows = cap > self.shared.state().queue().cap();
        if grows {
            self.shared.threads.resize(cap);
        }
        let mut pool = self.shared.lock();
        let surplus = pool.resize(cap);
        let todo = pool.unlock();
        // A worker that is about to start already has its permit, which must not be lost if the
        // thread starter panics.
        let resized = catch_unwind(AssertUnwindSafe(|| {
            if !grows {
                self.shared.threads.resize(cap);
            }
        }));
        drop(resizing);
        carry_out(&self.shared, todo);
        drop_on_a_thread(surplus);
        if let Err(panic) = resized {
            resume_unwind(panic);
        }
    }

    /// Changes the share of a lane at once; 0 counts as 1. Jobs beyond the new share run to their
    /// end.
    ///
    /// # Panics
    /// The lane belongs to another pool.
    pub fn share(&self, lane: Lane, share: usize) {
        let lane = self.shared.index_of(lane);
        let mut pool = self.shared.lock();
        pool.share(lane, share.max(1));
        carry_out(&self.shared, pool.unlock());
    }

    /// Changes the bounds of the queue at once: [`max_queue`](PoolBuilder::max_queue) and
    /// [`max_wait`](PoolBuilder::max_wait). Waiting jobs keep their places and their deadlines.
    pub fn restrict(&self, max_queue: usize, max_wait: impl Into<Option<Duration>>) {
        self.shared.lock().restrict(max_queue, max_wait.into());
    }

    /// Returns the database.
    pub fn database(&self) -> &D {
        &self.shared.database
    }

    /// Returns the ledger in which this pool counts.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Returns whether the last job that needed the database could reach it; `true` before the
    /// first one.
    ///
    /// The database counts as unreachable if a connection could not be opened, if a transaction
    /// could not begin for another reason than a conflict, or if the database classified an error
    /// as [`Disconnected`](euryale_core::transaction::Fault::Disconnected). This method reads a
    /// flag and never waits, so you may call it on a runtime thread even while every worker is
    /// stuck. Only another job changes the result. A program that gets no requests while its
    /// database is down must therefore query the database itself from time to time, by a small
    /// [`read`](Self::read).
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        !self.shared.reach.is_lost()
    }

    /// Returns the current status.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Returns at most `most` waiting jobs, the oldest first. [`Status::queued`] is the number of
    /// all waiting jobs. A job whose client has left is not included, because it has left the
    /// queue.
    pub fn waiters(&self, most: usize) -> Vec<Waiter> {
        self.shared.waiters(most)
    }

    /// Logs the running and the waiting jobs, one line for each job with its route, lane, phase and
    /// age.
    ///
    /// Use it to diagnose a program that hangs: it needs no worker, no runtime and no lock that is
    /// held while something waits, so even a plain thread that handles a signal may call it. The
    /// lines have the level INFO and the target `euryale_connection::report`, so that a filter can
    /// let them through even if it drops everything else. The hundred oldest waiting jobs are
    /// named, and the others are counted.
    pub fn report(&self) {
        report::log(&self.shared);
    }

    /// Closes the pool. No jobs are admitted from now on, and queued and running jobs may end
    /// within `deadline`. Then a worker drops the connections, and `close` waits for the tasks that
    /// transactions spawned after their commit. After the deadline, queued jobs are refused, and
    /// transactions that have not begun to commit are stopped
    /// ([`Stopped::Drain`](euryale_core::transaction::Stopped)); they have 100 ms to end.
    ///
    /// # Errors
    /// [`StillBusy`] if jobs or tasks were still running at the deadline. Jobs of
    /// [`run`](Pool::run), and statements that the database cannot interrupt, are not stopped:
    /// their workers drop their connections when they end. Tasks end with the runtime.
    pub async fn close(&self, deadline: Duration) -> Result<(), StillBusy> {
        self.shared.lock().close();
        let began = tokio::time::Instant::now();
        let in_time = tokio::time::timeout(deadline, self.all_left())
            .await
            .is_ok();
        for job in self.shared.drain() {
            job.refuse(Error::new(CLOSED));
        }
        let mut stopped = 0;
        if !in_time {
            stopped = self.shared.stop_all();
        }
        if stopped > 0 {
            // Jobs that are still running after that are reported below.
            let _ = tokio::time::timeout(STOPPING, self.all_left()).await;
        }
        // A connection may be slow to close. Its worker continues even if this future ends.
        let left = || deadline.saturating_sub(began.elapsed());
        let _ = tokio::time::timeout(left(), drop_connections(self.shared.take_idle())).await;
        self.shared.dismiss();
        // Tasks are spawned by jobs, so they end last.
        let tasks_ended = tokio::time::timeout(left(), self.shared.tasks.ended())
            .await
            .is_ok();
        let running = self.shared.state().queue().permits();
        let tasks = self.shared.tasks.count();
        if stopped == 0 && (in_time || running == 0) && (tasks_ended || tasks == 0) {
            return Ok(());
        }
        let mut busy = StillBusy::default();
        busy.stopped = stopped;
        busy.running = running;
        busy.tasks = tasks;
        Err(busy)
    }

    async fn all_left(&self) {
        loop {
            let left = self.shared.left.notified();
            if self.shared.state().queue().permits() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl<D: Database> PoolBuilder<D> {
    /// Builds the pool. Does not open a connection: a worker does, when a job first needs one.
    ///
    /// # Panics
    /// The cap is 0, so that no job could ever run; two lanes have the same name; or a lane is
    /// called `default`, which is the name of the lane for all other jobs.
    pub fn build(self) -> Pool<D> {
        Pool {
            shared: Arc::new(self.into_shared()),
        }
    }
}

impl<D: Database> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D: Database> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Refuses a request before its body is read if the queue is full or the pool is closed.
impl<D: Database> Admit for Pool<D> {
    fn check(&self, _parts: &http::request::Parts) -> Result<(), Error> {
        let state = self.shared.state();
        let queue = state.queue();
        if queue.is_closed() {
            return Err(Error::new(CLOSED));
        }
        if queue.is_full() {
            self.shared.book.queue.full.add(1);
            return Err(Error::new(QUEUE_FULL));
        }
        Ok(())
    }
}
