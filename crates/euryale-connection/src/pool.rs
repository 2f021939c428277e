//! The pool: what is shared by its handles, its workers and the futures of its jobs.

mod builder;
mod status;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use euryale_core::ledger::DropReason;
use euryale_core::{
    Abort, Access, Admit, Attempt, Database, Error, ErrorKind, History, Ledger, Outcome, PanicMessage,
    Transaction, TransactionOptions,
};
use tokio::sync::Notify;

pub use self::builder::PoolBuilder;
pub use self::status::Status;
use crate::claim::{PoolClaim, Waiting};
use crate::job::{Cell, Job, drop_quietly};
use crate::queue::{LaneIndex, Queue, Rank, Refused, Then, Ticket};
use crate::worker;

/// A hard cap on database connections, and the queue in front of it. Clones are handles to the same pool.
///
/// See the [crate's documentation](crate).
#[doc(alias = "semaphore")]
pub struct Pool<D: Database> {
    shared: Arc<Shared<D>>,
}

pub(crate) struct Shared<D: Database> {
    pub(crate) database: D,
    pub(crate) ledger: Ledger,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) spins: bool,
    /// Set when the spinning worker is called for a job.
    pub(crate) called: AtomicBool,
    /// A worker gave its permit back.
    pub(crate) left: Notify,
    pub(crate) idle_timeout: Option<Duration>,
    id: u64,
    lanes: Vec<String>,
    state: Mutex<State<D>>,
}

pub(crate) struct State<D: Database> {
    pub(crate) queue: Queue<Arc<dyn Job<D>>>,
    pub(crate) idle: Vec<Idle<D::Connection>>,
}

pub(crate) struct Idle<C> {
    pub(crate) connection: C,
    pub(crate) warmth: u64,
    pub(crate) opened: Instant,
    pub(crate) since: Instant,
}

/// A lane of a pool: its jobs never take more than their share of the connections. Made by [`Pool::lane`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    index: LaneIndex,
    pool: u64,
}

impl<D: Database> Pool<D> {
    /// A pool with at most `connections` connections and the defaults of [`PoolBuilder`].
    ///
    /// # Panics
    /// When `connections` is 0.
    pub fn new(database: D, connections: usize) -> Self {
        Self::builder(database).connections(connections).build()
    }

    /// A pool with other settings.
    pub fn builder(database: D) -> PoolBuilder<D> {
        PoolBuilder::new(database)
    }

    /// Runs `job` on a connection, in a worker, without a transaction. It is queued now, before the future is polled.
    ///
    /// # Errors
    /// By kind: [`QueueFull`](ErrorKind::QueueFull), [`QueueElapsed`](ErrorKind::QueueElapsed),
    /// [`Closed`](ErrorKind::Closed), [`Unavailable`](ErrorKind::Unavailable) (could not connect),
    /// [`Panicked`](ErrorKind::Panicked), [`WouldDeadlock`](ErrorKind::WouldDeadlock) (called in a worker).
    ///
    /// # Cancellation
    /// A job whose future is dropped before it started never starts. One that started runs to its end, and holds its
    /// permit and its connection until then.
    pub fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: FnOnce(&mut D::Connection) -> T + Send + 'static,
        T: Send + 'static,
    {
        use euryale_core::Claim as _;
        let done = self.claim().run(move |lease| match lease.connection() {
            Ok(connection) => Ok(job(connection)),
            Err(unavailable) => Err(Error::with_source(ErrorKind::Unavailable, unavailable)),
        });
        async move { done.await? }
    }

    /// Runs `f` in a transaction that may write: committed when it returns `Ok`. Once: a conflict is an error.
    ///
    /// # Errors
    /// As for [`run`](Pool::run), and [`Conflict`](ErrorKind::Conflict) (nothing happened; may be called again),
    /// [`InDoubt`](ErrorKind::InDoubt) (must not be), [`Refused`](ErrorKind::Refused) (an abort with a response, which
    /// the error carries), [`Application`](ErrorKind::Application).
    ///
    /// # Cancellation
    /// As for [`run`](Pool::run): a transaction that began is ended.
    pub fn transaction<T, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.transact(Access::Write, f)
    }

    /// Runs `f` in a transaction that only reads; otherwise as [`transaction`](Pool::transaction).
    ///
    /// # Errors
    /// As for [`transaction`](Pool::transaction).
    pub fn read<T, F>(&self, f: F) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        self.transact(Access::Read, f)
    }

    fn transact<T, F>(
        &self,
        access: Access,
        f: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static + use<T, F, D>
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort> + Send + 'static,
        T: Send + 'static,
    {
        use euryale_core::Claim as _;
        let done = self.claim().run(move |lease| {
            let options = TransactionOptions::new(Attempt::new(History::default()), access);
            match Transaction::run(lease, options, f)? {
                Outcome::Committed(value) | Outcome::Doomed(value) => Ok(value),
                Outcome::Refused(response) => Err(Error::refused(response)),
            }
        });
        async move { done.await? }
    }

    /// A place in the queue, to be given a job.
    pub fn claim(&self) -> PoolClaim<D> {
        PoolClaim::new(self.shared.clone())
    }

    /// The lane of this name, if the pool was built with it.
    pub fn lane(&self, name: &str) -> Option<Lane> {
        let index = self.shared.lanes.iter().position(|lane| lane == name)?;
        Some(Lane { index: LaneIndex::try_from(index).ok()?, pool: self.shared.id })
    }

    /// Another cap, at once: what waits is started if there is room now, and connections beyond the new cap are dropped, idle
    /// ones now and others after their job. 0 is taken as 1.
    pub fn resize(&self, connections: usize) {
        let cap = connections.max(1);
        let mut state = self.shared.lock();
        let then = state.queue.resize(cap);
        let mut surplus = Vec::new();
        while !state.idle.is_empty() && state.idle.len() + state.queue.permits() > cap {
            // The coldest go.
            let coldest =
                state.idle.iter().enumerate().min_by_key(|(_, idle)| idle.warmth).map_or(0, |(at, _)| at);
            surplus.push(state.idle.remove(coldest).connection);
        }
        self.shared.ledger.connections.cap.set(i64::try_from(cap).unwrap_or(i64::MAX));
        drop(state);
        self.shared.summon(then);
        self.shared.drop_on_a_thread(surplus);
    }

    /// The store.
    pub fn database(&self) -> &D {
        &self.shared.database
    }

    /// Where this pool counts.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// How it stands now.
    pub fn status(&self) -> Status {
        let state = self.shared.lock();
        Status {
            cap: state.queue.cap(),
            running: state.queue.permits(),
            queued: state.queue.waiting(),
            oldest_wait: state.queue.oldest().map(|since| since.elapsed()),
            idle: state.idle.len(),
            is_closed: state.queue.is_closed(),
        }
    }

    /// Closes the pool: nothing is admitted from now on, what is queued or running may end within `deadline`, and then
    /// the connections are dropped, in a worker. After the deadline what is still queued is refused.
    ///
    /// # Errors
    /// [`StillBusy`] when jobs were still running at the deadline. They cannot be stopped; their workers drop their
    /// connections when they end.
    pub async fn close(&self, deadline: Duration) -> Result<(), StillBusy> {
        self.shared.lock().queue.close();
        let until = tokio::time::Instant::now() + deadline;
        let in_time = tokio::time::timeout_at(until, self.all_left()).await.is_ok();
        for job in self.shared.drain() {
            job.refuse(Error::new(ErrorKind::Closed));
        }
        // A connection may be slow to close: it goes on without us.
        let _ = tokio::time::timeout_at(until, worker::drop_connections(self.shared.take_idle())).await;
        let running = self.shared.lock().queue.permits();
        if in_time || running == 0 { Ok(()) } else { Err(StillBusy { running }) }
    }

    async fn all_left(&self) {
        loop {
            let left = self.shared.left.notified();
            if self.shared.lock().queue.permits() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl<D: Database> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Database> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Refuses a body that would be thrown away: the queue is full, or the pool is closed.
impl<D: Database> Admit for Pool<D> {
    fn check(&self, _parts: &http::request::Parts) -> Result<(), Error> {
        let state = self.shared.lock();
        if state.queue.is_closed() {
            return Err(Error::new(ErrorKind::Closed));
        }
        if state.queue.is_full() {
            self.shared.ledger.queue.full.add(1);
            return Err(Error::new(ErrorKind::QueueFull));
        }
        Ok(())
    }
}

impl<D: Database> Shared<D> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<D>> {
        // Only our own state machine runs under it, and it does not panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle connection with the most in its caches; among equals the one used last.
    pub(crate) fn warmest(&self) -> Option<Idle<D::Connection>> {
        let idle = &mut self.lock().idle;
        let warmest = idle.iter().enumerate().max_by_key(|(index, idle)| (idle.warmth, *index))?.0;
        Some(idle.remove(warmest))
    }

    /// How warm a connection is; cold, when the database cannot say.
    pub(crate) fn warmth(&self, connection: &D::Connection) -> u64 {
        catch_unwind(AssertUnwindSafe(|| self.database.warmth(connection)))
            .map_err(PanicMessage::new)
            .unwrap_or(0)
    }

    /// Is an idle connection not worth using any more?
    pub(crate) fn is_too_old(&self, idle: &Idle<D::Connection>) -> bool {
        self.idle_timeout.is_some_and(|most| idle.since.elapsed() >= most)
            || self.max_lifetime.is_some_and(|most| idle.opened.elapsed() >= most)
    }

    fn take_idle(&self) -> Vec<D::Connection> {
        std::mem::take(&mut self.lock().idle)
            .into_iter()
            .map(|idle| idle.connection)
            .inspect(|_| self.dropped())
            .collect()
    }

    /// Counts an idle connection that is dropped because there is no place for it.
    fn dropped(&self) {
        self.ledger.connections.idle.add(-1);
        self.ledger.connections.dropped.add(DropReason::Closed, 1);
    }

    /// Nobody can wait for a worker here, and a connection must not be dropped on a runtime thread: a plain thread does it.
    fn drop_on_a_thread(&self, connections: Vec<D::Connection>) {
        if connections.is_empty() {
            return;
        }
        let kept = Arc::new(Mutex::new(connections));
        let dropped = Arc::clone(&kept);
        let thread = std::thread::Builder::new().name("euryale-close".to_owned()).spawn(move || {
            let connections = std::mem::take(&mut *dropped.lock().unwrap_or_else(PoisonError::into_inner));
            connections.into_iter().for_each(drop_quietly);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread to close idle connections in: they are left to the system");
            forget(kept);
        }
    }

    /// Queues a job and sees to it that a worker comes for it.
    pub(crate) fn admit<F, T>(
        self: &Arc<Self>,
        job: F,
        lane: LaneIndex,
        rank: Rank,
        wait: Option<Duration>,
    ) -> Result<Waiting<D, F, T>, Error>
    where
        Cell<F, T>: Job<D> + 'static,
    {
        if worker::is_worker_thread() {
            return Err(Error::new(ErrorKind::WouldDeadlock));
        }
        let cell = Arc::new(Cell::new(job));
        let mut state = self.lock();
        let admitted = state.queue.admit(Arc::clone(&cell) as Arc<dyn Job<D>>, lane, rank, Instant::now());
        if admitted.is_ok() {
            self.ledger.queue.depth.add(1);
        }
        drop(state);
        let (ticket, then) = match admitted {
            Ok(admitted) => admitted,
            Err((_, Refused::Full)) => {
                self.ledger.queue.full.add(1);
                return Err(Error::new(ErrorKind::QueueFull));
            }
            Err((_, Refused::Closed)) => return Err(Error::new(ErrorKind::Closed)),
        };
        // From here on the job has an owner, who takes it back out of the queue.
        let until = wait.map(|wait| tokio::time::Instant::now() + wait);
        let waiting = Waiting::new(Arc::clone(self), cell, ticket, until);
        self.summon(then);
        Ok(waiting)
    }

    /// Does what the queue asks for.
    pub(crate) fn summon(self: &Arc<Self>, then: Then) {
        match then {
            Then::Wait => {}
            Then::Start => worker::start(self),
            Then::Call => self.called.store(true, Ordering::Release),
        }
    }

    /// Takes a job back out of the queue; `false` when a worker has it.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        let mut state = self.lock();
        let job = state.queue.cancel(ticket);
        if job.is_some() {
            self.ledger.queue.depth.add(-1);
        }
        drop(state);
        job.is_some()
    }

    /// The waiting jobs that nobody would come for: no worker is left, and none could be started.
    pub(crate) fn stranded(&self) -> Vec<Arc<dyn Job<D>>> {
        if self.lock().queue.permits() > 0 {
            return Vec::new();
        }
        self.drain()
    }

    fn drain(&self) -> Vec<Arc<dyn Job<D>>> {
        let mut state = self.lock();
        let jobs = state.queue.drain();
        self.ledger.queue.depth.add(-i64::try_from(jobs.len()).unwrap_or(i64::MAX));
        jobs
    }

    /// Is this a lane of this pool?
    ///
    /// # Panics
    /// When it is not: a lane of another pool stands for another share, or for none.
    pub(crate) fn index_of(&self, lane: Lane) -> LaneIndex {
        assert!(
            lane.pool == self.id,
            "a lane belongs to the pool that made it: ask this pool's `lane(name)`"
        );
        lane.index
    }
}

impl<D: Database> Drop for Shared<D> {
    fn drop(&mut self) {
        self.drop_on_a_thread(self.take_idle());
    }
}

/// The lesser evil: a connection's drop may block or panic here.
#[expect(clippy::disallowed_methods, reason = "no thread is left that could drop them")]
fn forget<T>(value: T) {
    std::mem::forget(value);
}

/// [`Pool::close`] reached its deadline with jobs still running.
#[derive(Debug)]
#[non_exhaustive]
pub struct StillBusy {
    /// How many.
    pub running: usize,
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pool is closed, but {} jobs still run", self.running)
    }
}

impl std::error::Error for StillBusy {}
