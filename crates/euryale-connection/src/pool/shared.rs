//! What the handles of a pool, its workers and the futures of its jobs share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale_core::ledger::DropReason;
use euryale_core::{Database, Error, ErrorKind, Ledger, PanicMessage, Stopped};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::seats::{About, Seats};
use super::{Lane, Reach};
use crate::claim::Waiting;
use crate::housekeeping::{Call, Keeper};
use crate::job::{Cell, Job, drop_quietly};
use crate::queue::{LaneIndex, Queue, Rank, Refused, Then, Ticket};
use crate::threads::{StartWorker, is_worker_thread};
use crate::worker;

pub(crate) struct Shared<D: Database> {
    pub(crate) database: D,
    pub(crate) ledger: Ledger,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) spins: bool,
    pub(crate) threads: Box<dyn StartWorker>,
    /// Held while the cap and the threads change together.
    pub(super) resizing: Mutex<()>,
    /// Set when the spinning worker is called for a job.
    pub(crate) called: AtomicBool,
    /// A worker gave its permit back.
    pub(crate) left: Notify,
    /// What transactions spawned when they had committed.
    pub(crate) tasks: TaskTracker,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) warn_after: Option<Duration>,
    pub(crate) reach: Reach,
    pub(super) id: u64,
    pub(crate) lanes: Vec<Arc<str>>,
    pub(super) state: Mutex<State<D>>,
}

pub(crate) struct State<D: Database> {
    pub(crate) queue: Queue<Queued<D>>,
    pub(crate) idle: Vec<Idle<D::Connection>>,
    pub(crate) seats: Seats<D>,
    pub(crate) keeper: Keeper,
    pub(crate) max_wait: Option<Duration>,
}

/// A job in the queue, and whose it is.
pub(crate) struct Queued<D: Database> {
    pub(crate) job: Arc<dyn Job<D>>,
    pub(crate) about: About,
    pub(crate) since: Instant,
}

impl<D: Database> Queued<D> {
    /// It never ran.
    fn left(&self) {
        if self.about.times.is_some() {
            self.about.waited(self.since.elapsed());
        }
    }
}

pub(crate) struct Idle<C> {
    pub(crate) connection: C,
    pub(crate) warmth: u64,
    pub(crate) opened: Instant,
    pub(crate) since: Instant,
}

impl<D: Database> Shared<D> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<D>> {
        // Only our own state machine runs under it, and it does not panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle connection with the most in its caches; among equals the one used last.
    pub(crate) fn warmest(&self) -> Option<Idle<D::Connection>> {
        let idle = &mut self.lock().idle;
        let warmest = idle
            .iter()
            .enumerate()
            .max_by_key(|(index, idle)| (idle.warmth, *index))?
            .0;
        Some(idle.remove(warmest))
    }

    /// How warm a connection is; cold, when the database cannot say.
    pub(crate) fn warmth(&self, connection: &D::Connection) -> u64 {
        PanicMessage::catch(|| self.database.warmth(connection)).unwrap_or(0)
    }

    /// When an idle connection is not worth using any more.
    pub(crate) fn expiry(&self, idle: &Idle<D::Connection>) -> Option<Instant> {
        let idle_for_long = self
            .idle_timeout
            .and_then(|most| idle.since.checked_add(most));
        let of_age = self
            .max_lifetime
            .and_then(|most| idle.opened.checked_add(most));
        idle_for_long.into_iter().chain(of_age).min()
    }

    pub(crate) fn is_too_old(&self, idle: &Idle<D::Connection>, now: Instant) -> bool {
        self.expiry(idle).is_some_and(|expiry| expiry <= now)
    }

    /// Takes out an idle connection whose time is over, to be dropped in a worker, and closes its
    /// account.
    pub(crate) fn expired(&self, state: &mut State<D>, now: Instant) -> Option<D::Connection> {
        let at = state
            .idle
            .iter()
            .position(|idle| self.is_too_old(idle, now))?;
        self.ledger.connections.idle.add(-1);
        self.ledger.connections.dropped.add(DropReason::Expired, 1);
        Some(state.idle.remove(at).connection)
    }

    pub(super) fn take_idle(&self) -> Vec<D::Connection> {
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

    /// Nobody can wait for a worker here, and a connection must not be dropped on a runtime thread:
    /// a plain thread does it.
    pub(super) fn drop_on_a_thread(&self, connections: Vec<D::Connection>) {
        if connections.is_empty() {
            return;
        }
        let kept = Arc::new(Mutex::new(connections));
        let dropped = Arc::clone(&kept);
        let thread = std::thread::Builder::new()
            .name("euryale-close".to_owned())
            .spawn(move || {
                let connections =
                    std::mem::take(&mut *dropped.lock().unwrap_or_else(PoisonError::into_inner));
                connections.into_iter().for_each(drop_quietly);
            });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread to close idle connections in: they are left to the \
                system");
            forget(kept);
        }
    }

    /// Queues a job and sees to it that a worker comes for it.
    pub(crate) fn admit<F, T>(
        self: &Arc<Self>,
        job: F,
        lane: LaneIndex,
        rank: Rank,
        about: About,
        deadline: Option<Duration>,
    ) -> Result<Waiting<D, F, T>, Error>
    where
        Cell<F, T>: Job<D> + 'static,
    {
        if is_worker_thread() {
            return Err(Error::new(ErrorKind::WouldDeadlock));
        }
        let now = Instant::now();
        let cell = Arc::new(Cell::new(job, about.stop_when.client_gone));
        let queued = Queued {
            job: Arc::clone(&cell) as Arc<dyn Job<D>>,
            about,
            since: now,
        };
        let mut state = self.lock();
        let admitted = state.queue.admit(queued, lane, rank, now.into_std());
        let mut call = Call::Nobody;
        if let Ok((_, then)) = &admitted {
            self.ledger.queue.depth.add(1);
            // Where a worker is called it takes a job in a moment, which is looked after then.
            if *then != Then::Call {
                call = self.look_after_job(&mut state, now, None);
            }
        }
        let wait = deadline.into_iter().chain(state.max_wait).min();
        drop(state);
        // A time that no clock reaches is no bound.
        let until = wait.and_then(|wait| now.checked_add(wait));
        let (ticket, then) = match admitted {
            Ok(admitted) => admitted,
            Err((_, Refused::Full)) => {
                self.ledger.queue.full.add(1);
                return Err(Error::new(ErrorKind::QueueFull));
            }
            Err((_, Refused::Closed)) => return Err(Error::new(ErrorKind::Closed)),
        };
        // From here on the job has an owner, who takes it back out of the queue.
        let waiting = Waiting::new(Arc::clone(self), cell, ticket, until);
        self.summon(then);
        self.call(call);
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
        let queued = state.queue.cancel(ticket);
        if let Some(queued) = &queued {
            queued.left();
            self.ledger.queue.depth.add(-1);
        }
        drop(state);
        queued.is_some()
    }

    /// The waiting jobs that nobody would come for: no worker is left, and none could be started.
    pub(crate) fn stranded(&self) -> Vec<Arc<dyn Job<D>>> {
        let mut state = self.lock();
        if state.queue.permits() > 0 {
            return Vec::new();
        }
        self.drained(&mut state)
    }

    /// All waiting jobs, taken out of the queue.
    pub(super) fn drain(&self) -> Vec<Arc<dyn Job<D>>> {
        self.drained(&mut self.lock())
    }

    fn drained(&self, state: &mut State<D>) -> Vec<Arc<dyn Job<D>>> {
        let jobs = state.queue.drain();
        self.ledger
            .queue
            .depth
            .add(-i64::try_from(jobs.len()).unwrap_or(i64::MAX));
        jobs.into_iter()
            .inspect(Queued::left)
            .map(|queued| queued.job)
            .collect()
    }

    /// Stops the transactions that run, and says how many there were.
    pub(super) fn stop_all(&self) -> usize {
        let jobs: Vec<_> = self
            .lock()
            .seats
            .iter()
            .map(|(running, _)| Arc::clone(&running.job))
            .collect();
        jobs.iter().filter(|job| job.stop(Stopped::Drain)).count()
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
        self.dismiss();
        self.drop_on_a_thread(self.take_idle());
    }
}

/// The lesser evil: a connection's drop may block or panic here.
#[expect(
    clippy::disallowed_methods,
    reason = "no thread is left that could drop them"
)]
fn forget<T>(value: T) {
    std::mem::forget(value);
}
