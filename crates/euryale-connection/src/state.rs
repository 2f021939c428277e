//! The state that a pool's handles, workers and futures share, and all operations under its lock.
//! They start neither threads nor tasks: [`Locked::unlock`] returns the work that is left to do.

mod admission;
pub(crate) mod idle;
pub(crate) mod keeper;
pub(crate) mod permit;
pub(crate) mod reach;
pub(crate) mod seats;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale_core::error::PanicMessage;
use euryale_core::transaction::{ConflictRule, DropReason, Stopped};
use euryale_core::{Database, Ledger};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::idle::{Ages, Idle, IdleConnections};
use self::keeper::{Call, Keeper};
use self::reach::Reach;
use self::seats::{About, Seats};
use crate::PoolBook;
use crate::closing::drop_on_a_thread;
use crate::exclusive::Exclusion;
use crate::job::Job;
use crate::queue::{LaneIndex, Late, Queue, Then};
use crate::tasks::Tasks;
use crate::threads::StartWorker;

/// A lane of a pool, whose jobs never use more than its share of the connections. Made by
/// [`Pool::lane`](crate::Pool::lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    index: LaneIndex,
    pool: u64,
}

pub(crate) struct SharedPool<D: Database> {
    pub(crate) database: D,
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<PoolBook>,
    pub(crate) spins: bool,
    pub(crate) conflicts: ConflictRule,
    pub(crate) threads: Box<dyn StartWorker>,
    /// Locked while the cap and the threads change together.
    pub(crate) resizing: Mutex<()>,
    /// Set when the spinning worker is called for a job.
    pub(crate) called: AtomicBool,
    /// Notified when a worker has returned its permit.
    pub(crate) left: Notify,
    pub(crate) tasks: Tasks,
    pub(crate) exclusion: Exclusion,
    pub(crate) ages: Ages,
    pub(crate) warn_after: Option<Duration>,
    pub(crate) reach: Reach,
    pub(crate) id: u64,
    pub(crate) lanes: Vec<Arc<str>>,
    pub(crate) state: Mutex<PoolState<D>>,
}

pub(crate) struct PoolState<D: Database> {
    queue: Queue<Queued<D>>,
    idle: IdleConnections<D::Connection>,
    pub(crate) seats: Seats<D>,
    pub(crate) keeper: Keeper,
    pub(crate) max_wait: Option<Duration>,
}

impl<D: Database> PoolState<D> {
    pub(crate) fn new(queue: Queue<Queued<D>>, max_wait: Option<Duration>) -> Self {
        Self {
            queue,
            idle: IdleConnections::new(),
            seats: Seats::default(),
            keeper: Keeper::default(),
            max_wait,
        }
    }

    pub(crate) fn queue(&self) -> &Queue<Queued<D>> {
        &self.queue
    }

    pub(crate) fn idle(&self) -> &IdleConnections<D::Connection> {
        &self.idle
    }
}

/// A job in the queue and its origin.
pub(crate) struct Queued<D: Database> {
    pub(crate) job: Arc<dyn Job<D>>,
    pub(crate) about: About,
    pub(crate) since: Instant,
}

impl<D: Database> Queued<D> {
    /// Records that the job left without having run.
    fn left(&self) {
        if self.about.times.is_some() {
            self.about.waited(self.since.elapsed());
        }
    }
}

/// The locked state, for changes that may need a worker or the housekeeping task.
pub(crate) struct Locked<'p, D: Database> {
    shared: &'p SharedPool<D>,
    state: MutexGuard<'p, PoolState<D>>,
    todo: Todo,
}

/// The work to do after the lock has been released.
#[must_use]
pub(crate) struct Todo {
    pub(crate) worker: Then,
    pub(crate) keeper: Call,
    /// Notified when a worker has returned its permit.
    pub(crate) has_left: bool,
}

impl<D: Database> Deref for Locked<'_, D> {
    type Target = PoolState<D>;

    fn deref(&self) -> &PoolState<D> {
        &self.state
    }
}

impl<D: Database> DerefMut for Locked<'_, D> {
    fn deref_mut(&mut self) -> &mut PoolState<D> {
        &mut self.state
    }
}

impl<D: Database> Locked<'_, D> {
    /// Releases the lock.
    pub(crate) fn unlock(self) -> Todo {
        let Self { state, todo, .. } = self;
        drop(state);
        todo
    }

    /// Changes the cap. Returns the idle connections that exceed it, the coldest first.
    pub(crate) fn resize(&mut self, cap: usize) -> Vec<D::Connection> {
        self.todo.worker = self.state.queue.resize(cap);
        let mut surplus = Vec::new();
        while self.state.idle.len() + self.state.queue.permits() > cap {
            let Some(coldest) = self.state.idle.take_coldest() else {
                break;
            };
            self.shared.count_closed();
            surplus.push(coldest.connection);
        }
        self.shared.book.connections.cap.set(as_count(cap));
        surplus
    }

    /// Changes the share of a lane.
    pub(crate) fn share(&mut self, lane: LaneIndex, share: usize) {
        self.todo.worker = self.state.queue.share(lane, share);
    }

    /// Changes the limits of the queue.
    pub(crate) fn restrict(&mut self, max_queue: usize, max_wait: Option<Duration>) {
        self.state.queue.set_max(max_queue);
        self.state.max_wait = max_wait;
    }

    /// Admits no more jobs.
    pub(crate) fn close(&mut self) {
        self.state.queue.close();
    }

    /// Asks for a worker for something other than a job.
    pub(crate) fn send_for_one(&mut self) {
        self.todo.worker = self.state.queue.send_for_one();
    }

    /// Reports jobs that have waited for long; see [`Queue::tell_late`].
    pub(crate) fn tell_late(
        &mut self,
        before: std::time::Instant,
        tell: impl FnMut(&Late<'_, Queued<D>>),
    ) -> Option<std::time::Instant> {
        self.state.queue.tell_late(before, tell)
    }

    /// Adds an idle connection.
    pub(crate) fn put_back(&mut self, idle: Idle<D::Connection>, now: Instant) {
        self.shared.book.connections.idle.add(1);
        if let Some(due) = self.shared.ages.expiry(&idle) {
            self.todo.keeper = self.state.keeper.expect(due, now);
        }
        self.state.idle.put_back(idle);
    }

    /// Removes an expired idle connection, to be dropped in a worker, and stops counting it.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<D::Connection> {
        let expired = self.state.idle.take_expired(&self.shared.ages, now)?;
        let connections = &self.shared.book.connections;
        connections.idle.add(-1);
        connections.dropped.add(DropReason::Expired, 1);
        Some(expired.connection)
    }

    /// Makes the housekeeping task watch a job that is queued, or that begins and is stopped at
    /// `until`.
    fn look_after_job(&mut self, now: Instant, until: Option<Instant>) {
        let late = self.shared.warn_after.and_then(|age| now.checked_add(age));
        if let Some(due) = late.into_iter().chain(until).min() {
            self.todo.keeper = self.state.keeper.expect(due, now);
        }
    }

    /// Removes all waiting jobs from the queue and returns them.
    fn drain(&mut self) -> Vec<Arc<dyn Job<D>>> {
        let jobs = self.state.queue.drain();
        let depth = &self.shared.book.queue.depth;
        depth.add(-as_count(jobs.len()));
        jobs.into_iter()
            .inspect(Queued::left)
            .map(|queued| queued.job)
            .collect()
    }
}

impl<D: Database> SharedPool<D> {
    /// Locks the state, for changes that neither queue a job nor free a permit.
    pub(crate) fn state(&self) -> MutexGuard<'_, PoolState<D>> {
        // Only our own state machine runs under this lock, and it does not panic half-way, so a
        // poisoned state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> Locked<'_, D> {
        Locked {
            shared: self,
            state: self.state(),
            todo: Todo {
                worker: Then::Wait,
                keeper: Call::Nobody,
                has_left: false,
            },
        }
    }

    /// Removes the waiting jobs that no worker would run, because none is left and none could be
    /// started.
    pub(crate) fn stranded(&self) -> Vec<Arc<dyn Job<D>>> {
        let mut pool = self.lock();
        if pool.queue.permits() > 0 {
            return Vec::new();
        }
        pool.drain()
    }

    /// Removes all waiting jobs from the queue and returns them.
    pub(crate) fn drain(&self) -> Vec<Arc<dyn Job<D>>> {
        self.lock().drain()
    }

    /// Stops the running transactions, and returns their number.
    pub(crate) fn stop_all(&self) -> usize {
        let jobs: Vec<_> = self
            .state()
            .seats
            .iter()
            .map(|(running, _)| Arc::clone(&running.job))
            .collect();
        jobs.iter().filter(|job| job.stop(Stopped::Drain)).count()
    }

    /// Removes and returns the warmest idle connection.
    pub(crate) fn take_warmest(&self) -> Option<Idle<D::Connection>> {
        self.state().idle.take_warmest()
    }

    /// Returns whether a connection can serve another job; `false` if the database panics.
    pub(crate) fn is_reusable(&self, connection: &mut D::Connection) -> bool {
        PanicMessage::catch(|| self.database.is_reusable(connection)).unwrap_or(false)
    }

    /// Returns the warmth of a connection; 0 if the database panics.
    pub(crate) fn warmth(&self, connection: &D::Connection) -> u64 {
        PanicMessage::catch(|| self.database.warmth(connection)).unwrap_or(0)
    }

    pub(crate) fn take_idle(&self) -> Vec<D::Connection> {
        let idle = self.state().idle.take_all();
        idle.into_iter()
            .map(|idle| idle.connection)
            .inspect(|_| self.count_closed())
            .collect()
    }

    /// Counts an idle connection that is dropped because it exceeds the cap or the pool is closed.
    fn count_closed(&self) {
        self.book.connections.idle.add(-1);
        self.book.connections.dropped.add(DropReason::Closed, 1);
    }

    /// Wakes the housekeeping task when there is nothing left to watch, or soon will not be, so
    /// that it can end at once.
    pub(crate) fn dismiss(&self) {
        let woken = self.state().keeper.woken();
        if let Some(woken) = woken {
            woken.notify_one();
        }
    }

    /// Returns the lane with this name.
    pub(crate) fn lane(&self, name: &str) -> Option<Lane> {
        let index = self.lanes.iter().position(|lane| &**lane == name)?;
        Some(Lane {
            index: LaneIndex::try_from(index).ok()?,
            pool: self.id,
        })
    }

    /// Returns the index of a lane of this pool.
    ///
    /// # Panics
    /// The lane belongs to another pool.
    pub(crate) fn index_of(&self, lane: Lane) -> LaneIndex {
        assert!(
            lane.pool == self.id,
            "a lane belongs to the pool that made it: ask this pool's `lane(name)`"
        );
        lane.index
    }
}

impl<D: Database> Drop for SharedPool<D> {
    fn drop(&mut self) {
        self.dismiss();
        drop_on_a_thread(self.take_idle());
    }
}

pub(crate) fn as_count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
