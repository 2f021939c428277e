//! A worker holds one permit, keeps one connection, and runs job after job on a thread that
//! [`StartWorker`](crate::StartWorker) has given to it.
//!
//! Connections are opened, used and dropped here and nowhere else. A worker that finds nothing to
//! run drops idle connections whose time is over, one by one, with a look at the queue before each;
//! housekeeping sends for one when none comes by itself. It holds its permit meanwhile: a
//! connection that is still being closed is one of the pool's.

mod source;

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use euryale_core::ledger::DropReason;
use euryale_core::{Database, Error, ErrorKind, Lease, PanicMessage};
use tokio::runtime::Handle;
use tokio::time::Instant;

use self::source::{Contact, Source};
use crate::housekeeping::Call;
use crate::job::{Job, drop_quietly};
use crate::pool::{Idle, Running, Seat, Shared, State};
use crate::queue::{LaneIndex, Next, Then};
use crate::threads::{self, PoolWorker, Work};

/// For how long one worker looks for a next job before it ends. A wake-up of a parked thread costs
/// about as much.
const SPIN: Duration = Duration::from_micros(20);

/// So many looks at a time, before the core is offered to others. Asking the clock costs as much as
/// all of them.
const LOOKS: u32 = 16;

/// Starts a worker for a permit that was taken already. Never panics: when no thread can be had,
/// the worker's drop gives the permit back and refuses the jobs that nobody would come for.
pub(crate) fn start<D: Database>(shared: &Arc<Shared<D>>) {
    let worker = Worker {
        shared: Arc::clone(shared),
        connection: None,
        opened: Instant::now(),
        warmth: None,
        stage: Stage::Coming,
        seat: Seat::default(),
    };
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let worker = PoolWorker::new(worker, runtime);
    if let Err(panic) = PanicMessage::catch(|| shared.threads.start(worker)) {
        tracing::error!(%panic, "no thread for a worker");
    }
}

/// Drops connections where that may block.
pub(crate) async fn drop_connections<C: Send + 'static>(connections: Vec<C>) {
    if !connections.is_empty() {
        threads::run_blocking(move || connections.into_iter().for_each(drop_quietly)).await;
    }
}

struct Worker<D: Database> {
    shared: Arc<Shared<D>>,
    connection: Option<D::Connection>,
    opened: Instant,
    /// Asked for when the connection is about to become idle.
    warmth: Option<u64>,
    stage: Stage,
    /// Where the pool sees what it runs.
    seat: Seat,
}

/// (Coming, Spinning or Running) ⇒ Idle at each look at the queue, Idle ⇒ (Running, Spinning or
/// Left).
#[derive(Clone, Copy)]
enum Stage {
    /// Started, and has not looked yet. Holds a permit.
    Coming,
    /// Looks at the queue, or drops a connection that nobody uses. Holds a permit.
    Idle,
    /// On the lookout for a job. Holds a permit.
    Spinning,
    /// In a job of this lane. Holds a permit.
    Running(LaneIndex),
    /// Holds nothing.
    Left,
}

/// What a worker does next.
enum Turn<J, C> {
    Run {
        job: J,
        since: std::time::Instant,
        /// When its transaction is stopped.
        until: Option<Instant>,
    },
    /// The time of an idle connection is over: it drops it, and looks again.
    Expire(C),
    /// It may look out for a job for a moment; whoever queues one will call it.
    Spin,
    /// There is no place for it any more: it gives everything back when the last result is
    /// delivered.
    Retire,
    /// It has given everything back.
    Leave,
}

type Handed<D> = Arc<dyn Job<D>>;

impl<D: Database> Work for Worker<D> {
    fn run(mut self) {
        let mut turn = self.next(Instant::now());
        loop {
            turn = match turn {
                Turn::Run { job, since, until } => {
                    let ended = self.run_job(&*job, since, until);
                    // Whoever sees the result finds the permit free, or this worker on the lookout:
                    // a client that asks again at once gets the same connection.
                    let next = self.next(ended);
                    // The next job is in this worker's hand already: what breaks here must not cost
                    // it.
                    drop(PanicMessage::catch(|| job.deliver()));
                    next
                }
                Turn::Spin => {
                    if !self.spin() {
                        // While it can still be called: a client that asks again meanwhile gets
                        // this worker, not another one with another connection.
                        self.warmth = self
                            .connection
                            .as_ref()
                            .map(|idle| self.shared.warmth(idle));
                    }
                    self.next(Instant::now())
                }
                Turn::Expire(connection) => {
                    drop_quietly(connection);
                    self.next(Instant::now())
                }
                Turn::Retire => {
                    self.discard(DropReason::Closed);
                    leave(
                        &self.shared,
                        self.shared.lock(),
                        &mut self.stage,
                        &mut self.seat,
                    );
                    break;
                }
                Turn::Leave => break,
            }
        }
    }
}

impl<D: Database> Worker<D> {
    /// The next job; or gives back everything, connection first, then the permit, in one step.
    fn next(&mut self, now: Instant) -> Turn<Handed<D>, D::Connection> {
        // Who was on the lookout in vain does not go on with it.
        let mut may_spin = self.shared.spins;
        loop {
            let mut state = self.shared.lock();
            let finished = match std::mem::replace(&mut self.stage, Stage::Idle) {
                Stage::Running(lane) => {
                    if let Some(ended) = state.seats.clear(&self.seat) {
                        ended.ended(now);
                    }
                    Some(lane)
                }
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
                Next::Run {
                    job: queued,
                    lane,
                    since,
                    then,
                } => {
                    self.stage = Stage::Running(lane);
                    self.warmth = None;
                    self.shared.ledger.queue.depth.add(-1);
                    let job = queued.job;
                    let running = Running::new(Arc::clone(&job), queued.about, lane, now, since);
                    let until = running.until;
                    state.seats.take(&mut self.seat, running);
                    let call = self.shared.look_after_job(&mut state, now, until);
                    drop(state);
                    self.shared.summon(then);
                    self.shared.call(call);
                    return Turn::Run { job, since, until };
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
            let mut call = Call::Nobody;
            if let Some(connection) = self.connection.take() {
                let Some(warmth) = self.warmth else {
                    // The database is not asked under the lock.
                    drop(state);
                    self.warmth = Some(self.shared.warmth(&connection));
                    self.connection = Some(connection);
                    continue;
                };
                let idle = Idle {
                    connection,
                    warmth,
                    opened: self.opened,
                    since: now,
                };
                self.shared.ledger.connections.idle.add(1);
                call = self.shared.look_after_idle(&mut state, &idle, now);
                state.idle.push(idle);
            }
            let turn = match self.shared.expired(&mut state, now) {
                Some(connection) => {
                    drop(state);
                    Turn::Expire(connection)
                }
                None => {
                    leave(&self.shared, state, &mut self.stage, &mut self.seat);
                    Turn::Leave
                }
            };
            self.shared.call(call);
            return turn;
        }
    }

    /// Looks out for a call for a moment; was there one?
    fn spin(&self) -> bool {
        // Of the real clock: a paused one would never end it.
        let until = std::time::Instant::now() + SPIN;
        let is_called = || {
            std::hint::spin_loop();
            self.shared.called.load(Ordering::Acquire)
        };
        while !(0..LOOKS).any(|_| is_called()) {
            if std::time::Instant::now() >= until {
                return false;
            }
            // The core may be the one that would bring the next job.
            std::thread::yield_now();
        }
        true
    }

    /// Runs a job that was queued at `since`, and whose transaction is stopped at `until`; when it
    /// ended.
    fn run_job(
        &mut self,
        job: &dyn Job<D>,
        since: std::time::Instant,
        until: Option<Instant>,
    ) -> Instant {
        let begin = Instant::now();
        let ledger = self.shared.ledger.clone();
        ledger
            .queue
            .wait_seconds
            .record(begin.into_std().saturating_duration_since(since));
        ledger.publishers.running.add(1);
        if self.connection.is_some() {
            ledger.connections.in_use.add(1);
        }

        let mut source = Source {
            shared: &self.shared,
            job,
            opened: &mut self.opened,
            seat: &self.seat,
            until,
            contact: Contact::new(&self.shared.reach),
        };
        let went_well = job.run(&mut Lease::new(&mut source, &mut self.connection));
        if !went_well {
            Lease::new(&mut source, &mut self.connection).discard(DropReason::Panicked);
        }
        source.contact.end();
        self.check_connection();

        // The accounts are closed before anyone can see the result.
        if self.connection.is_some() {
            ledger.connections.in_use.add(-1);
        }
        ledger.publishers.running.add(-1);
        let end = Instant::now();
        ledger
            .publishers
            .seconds
            .record(end.saturating_duration_since(begin));
        end
    }

    /// After each job: is the connection still good for another one?
    fn check_connection(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let database = &self.shared.database;
        let reusable = PanicMessage::catch(|| database.is_reusable(connection)).unwrap_or(false);
        let expired = self
            .shared
            .max_lifetime
            .is_some_and(|most| self.opened.elapsed() >= most);
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
fn leave<D: Database>(
    shared: &Arc<Shared<D>>,
    mut state: MutexGuard<'_, State<D>>,
    stage: &mut Stage,
    seat: &mut Seat,
) {
    state.seats.leave(seat);
    let then = state.queue.leave();
    *stage = Stage::Left;
    drop(state);
    shared.summon(then);
    shared.left.notify_waiters();
}

impl<D: Database> Drop for Worker<D> {
    /// A worker that ends in any other way than by leaving: its runtime is gone or was never there,
    /// or something panicked that no one foresaw. The permit must come back, and waiting jobs must
    /// not wait for ever.
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Left) {
            return;
        }
        let mut state = self.shared.lock();
        state.seats.leave(&mut self.seat);
        let then = match self.stage {
            Stage::Coming => {
                state.queue.give_up();
                Then::Wait
            }
            Stage::Spinning => {
                state.queue.stop_spinning();
                state.queue.break_down(None)
            }
            Stage::Running(lane) => state.queue.break_down(Some(lane)),
            Stage::Idle | Stage::Left => state.queue.break_down(None),
        };
        drop(state);
        self.discard(DropReason::Panicked);
        self.shared.summon(then);
        let stranded = self.shared.stranded();
        self.shared.left.notify_waiters();
        for job in stranded {
            job.refuse(Error::new(ErrorKind::NoWorker));
        }
    }
}
