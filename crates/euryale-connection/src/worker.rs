//! A worker: a closure on tokio's blocking pool that holds one permit, keeps one connection, and runs job
//! after job.
//!
//! This is the only place that calls `spawn_blocking` for publishing, and the only one where connections are
//! opened, used and dropped.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use euryale_core::ledger::DropReason;
use euryale_core::{BoxError, Database, Error, ErrorKind, Lease, LeaseSource, Ledger, PanicMessage};
use tokio::runtime::Handle;

use crate::job::{Job, drop_quietly};
use crate::pool::{Idle, Shared, State};
use crate::queue::{LaneIndex, Next, Then};

/// For how long one worker looks for a next job before it ends. A wake-up of a parked thread costs about as
/// much.
const SPIN: Duration = Duration::from_micros(20);

/// So many looks at a time, before the core is offered to others. Asking the clock costs as much as all of
/// them.
const LOOKS: u32 = 16;

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Is this thread a worker, with a permit in its hand? Then it must not wait for another one.
pub(crate) fn is_worker_thread() -> bool {
    IN_WORKER.get()
}

/// Starts a worker for a permit that was taken already. Never panics: when no thread can be had, the worker's
/// drop gives the permit back and refuses the jobs that nobody would come for.
#[expect(clippy::disallowed_methods, reason = "the pool's worker: the cap bounds it")]
pub(crate) fn start<D: Database>(shared: &Arc<Shared<D>>) {
    let worker = Worker {
        shared: Arc::clone(shared),
        connection: None,
        opened: Instant::now(),
        warmth: None,
        stage: Stage::Coming,
    };
    let Ok(runtime) = Handle::try_current() else { return };
    // Without a thread tokio panics, and keeps the closure until it has one: the worker must not stay in it.
    let place = Arc::new(Mutex::new(Some(worker)));
    let taken = Arc::clone(&place);
    let run = move || {
        let worker = take(&taken);
        if let Some(worker) = worker {
            worker.run();
        }
    };
    if let Err(panic) = PanicMessage::catch(|| runtime.spawn_blocking(run)) {
        tracing::error!(%panic, "no thread for a worker");
        drop(take(&place));
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Drops connections where that may block.
#[expect(clippy::disallowed_methods, reason = "connections are dropped in a worker")]
pub(crate) async fn drop_connections<C: Send + 'static>(connections: Vec<C>) {
    if !connections.is_empty() {
        let drop_all = move || connections.into_iter().for_each(drop_quietly);
        // Without a thread tokio panics, and drops them when it has one.
        if let Ok(dropping) = PanicMessage::catch(|| tokio::task::spawn_blocking(drop_all)) {
            // A panic of a connection's drop is caught inside; the runtime going down drops them all the same.
            let _ = dropping.await;
        }
    }
}

struct Worker<D: Database> {
    shared: Arc<Shared<D>>,
    connection: Option<D::Connection>,
    opened: Instant,
    /// Asked for when the connection is about to become idle.
    warmth: Option<u64>,
    stage: Stage,
}

/// (Coming, Spinning or Running) ⇒ Idle at each look at the queue, Idle ⇒ (Running, Spinning or Left).
#[derive(Clone, Copy)]
enum Stage {
    /// Started, and has not looked yet. Holds a permit.
    Coming,
    /// Looks at the queue. Holds a permit.
    Idle,
    /// On the lookout for a job. Holds a permit.
    Spinning,
    /// In a job of this lane. Holds a permit.
    Running(LaneIndex),
    /// Holds nothing.
    Left,
}

/// What a worker does next.
enum Turn<J> {
    Run {
        job: J,
        since: Instant,
    },
    /// It may look out for a job for a moment; whoever queues one will call it.
    Spin,
    /// There is no place for it any more: it gives everything back when the last result is delivered.
    Retire,
    /// It has given everything back.
    Leave,
}

type Handed<D> = Arc<dyn Job<D>>;

impl<D: Database> Worker<D> {
    fn run(mut self) {
        let _mark = InWorker::mark();
        let mut turn = self.next();
        loop {
            turn = match turn {
                Turn::Run { job, since } => {
                    self.run_job(&*job, since);
                    // Whoever sees the result finds the permit free, or this worker on the lookout: a client
                    // that asks again at once gets the same connection.
                    let next = self.next();
                    // The next job is in this worker's hand already: what breaks here must not cost it.
                    drop(PanicMessage::catch(|| job.deliver()));
                    next
                }
                Turn::Spin => {
                    self.spin();
                    self.next()
                }
                Turn::Retire => {
                    self.discard(DropReason::Closed);
                    leave(&self.shared, self.shared.lock(), &mut self.stage);
                    break;
                }
                Turn::Leave => break,
            }
        }
    }

    /// The next job; or gives back everything, connection first, then the permit, in one step.
    fn next(&mut self) -> Turn<Handed<D>> {
        // Who was on the lookout in vain does not go on with it.
        let mut may_spin = self.shared.spins;
        loop {
            let mut state = self.shared.lock();
            let finished = match std::mem::replace(&mut self.stage, Stage::Idle) {
                Stage::Running(lane) => Some(lane),
                Stage::Coming => {
                    state.queue.arrive();
                    None
                }
                Stage::Spinning => {
                    self.shared.called.store(false, Ordering::Relaxed);
                    may_spin &= state.queue.stop_spinning();
                    None
                }
                Stage::Idle | Stage::Left => None,
            };
            match state.queue.next(finished) {
                Next::Run { job, lane, since, then } => {
                    self.stage = Stage::Running(lane);
                    self.warmth = None;
                    self.shared.ledger.queue.depth.add(-1);
                    drop(state);
                    self.shared.summon(then);
                    return Turn::Run { job, since };
                }
                Next::Idle if may_spin && state.queue.spin() => {
                    self.stage = Stage::Spinning;
                    return Turn::Spin;
                }
                Next::Idle => {}
            }
            if state.queue.is_closed() || state.queue.permits() > state.queue.cap() {
                return Turn::Retire;
            }
            if let Some(connection) = self.connection.take() {
                let Some(warmth) = self.warmth else {
                    // The database is not asked under the lock.
                    drop(state);
                    self.warmth = Some(self.shared.warmth(&connection));
                    self.connection = Some(connection);
                    continue;
                };
                state.idle.push(Idle { connection, warmth, opened: self.opened, since: Instant::now() });
                self.shared.ledger.connections.idle.add(1);
            }
            leave(&self.shared, state, &mut self.stage);
            return Turn::Leave;
        }
    }

    /// Looks out for a call for a moment.
    fn spin(&self) {
        let until = Instant::now() + SPIN;
        let is_called = || {
            std::hint::spin_loop();
            self.shared.called.load(Ordering::Acquire)
        };
        while !(0..LOOKS).any(|_| is_called()) && Instant::now() < until {
            // The core may be the one that would bring the next job.
            std::thread::yield_now();
        }
    }

    fn run_job(&mut self, job: &dyn Job<D>, since: Instant) {
        let begin = Instant::now();
        let ledger = self.shared.ledger.clone();
        ledger.queue.wait_seconds.record(begin.saturating_duration_since(since));
        ledger.publishers.running.add(1);
        if self.connection.is_some() {
            ledger.connections.in_use.add(1);
        }

        let mut source = Source { shared: &self.shared, job, opened: &mut self.opened };
        let went_well = job.run(&mut Lease::new(&mut source, &mut self.connection));
        if !went_well {
            Lease::new(&mut source, &mut self.connection).discard(DropReason::Panicked);
        }
        self.check_connection();

        // The accounts are closed before anyone can see the result.
        if self.connection.is_some() {
            ledger.connections.in_use.add(-1);
        }
        ledger.publishers.running.add(-1);
        ledger.publishers.seconds.record(begin.elapsed());
    }

    /// After each job: is the connection still good for another one?
    fn check_connection(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let database = &self.shared.database;
        let reusable = PanicMessage::catch(|| database.is_reusable(connection)).unwrap_or(false);
        let expired = self.shared.max_lifetime.is_some_and(|most| self.opened.elapsed() >= most);
        let reason = match (reusable, expired) {
            (false, _) => DropReason::NotReusable,
            (true, true) => DropReason::Expired,
            (true, false) => return,
        };
        self.shared.ledger.connections.in_use.add(-1);
        self.discard(reason);
    }

    fn discard(&mut self, reason: DropReason) {
        if let Some(connection) = self.connection.take() {
            self.shared.ledger.connections.dropped.add(reason, 1);
            drop_quietly(connection);
        }
    }
}

/// Gives the permit back.
fn leave<D: Database>(shared: &Arc<Shared<D>>, mut state: MutexGuard<'_, State<D>>, stage: &mut Stage) {
    let then = state.queue.leave();
    *stage = Stage::Left;
    drop(state);
    shared.summon(then);
    shared.left.notify_waiters();
}

impl<D: Database> Drop for Worker<D> {
    /// A worker that ends in any other way than by leaving: its runtime is gone or was never there, or
    /// something panicked that no one foresaw. The permit must come back, and waiting jobs must not wait for
    /// ever.
    fn drop(&mut self) {
        let then = match self.stage {
            Stage::Left => return,
            Stage::Coming => {
                self.shared.lock().queue.give_up();
                Then::Wait
            }
            Stage::Spinning => {
                let mut state = self.shared.lock();
                state.queue.stop_spinning();
                state.queue.break_down(None)
            }
            Stage::Idle => self.shared.lock().queue.break_down(None),
            Stage::Running(lane) => self.shared.lock().queue.break_down(Some(lane)),
        };
        self.discard(DropReason::Panicked);
        self.shared.summon(then);
        let stranded = self.shared.stranded();
        self.shared.left.notify_waiters();
        for job in stranded {
            job.refuse(Error::new(ErrorKind::NoWorker));
        }
    }
}

/// Marks this thread as a worker for as long as it lives.
struct InWorker;

impl InWorker {
    fn mark() -> Self {
        IN_WORKER.set(true);
        Self
    }
}

impl Drop for InWorker {
    fn drop(&mut self) {
        IN_WORKER.set(false);
    }
}

/// What a lease is lent from, during one job.
struct Source<'w, D: Database> {
    shared: &'w Shared<D>,
    job: &'w dyn Job<D>,
    opened: &'w mut Instant,
}

impl<D: Database> LeaseSource<D> for Source<'_, D> {
    fn database(&self) -> &D {
        &self.shared.database
    }

    fn checkout(&mut self) -> Result<D::Connection, BoxError> {
        let connections = &self.shared.ledger.connections;
        while let Some(idle) = self.shared.warmest() {
            connections.idle.add(-1);
            if self.shared.is_too_old(&idle) {
                connections.dropped.add(DropReason::Expired, 1);
                drop_quietly(idle.connection);
                continue;
            }
            *self.opened = idle.opened;
            connections.in_use.add(1);
            return Ok(idle.connection);
        }
        let connection = self.shared.database.connect()?;
        connections.opened.add(1);
        connections.in_use.add(1);
        *self.opened = Instant::now();
        Ok(connection)
    }

    fn discard(&mut self, connection: D::Connection, reason: DropReason) {
        let connections = &self.shared.ledger.connections;
        connections.in_use.add(-1);
        connections.dropped.add(reason, 1);
        drop_quietly(connection);
    }

    fn client_is_gone(&self) -> bool {
        self.job.is_abandoned()
    }

    fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }
}
