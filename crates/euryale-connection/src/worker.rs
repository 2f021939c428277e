//! A worker: a closure on tokio's blocking pool that holds one permit, keeps one connection, and runs job after job.
//!
//! This is the only place that calls `spawn_blocking` for publishing, and the only one where connections are opened,
//! used and dropped.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use euryale_core::ledger::DropReason;
use euryale_core::{BoxError, Database, Error, ErrorKind, Lease, LeaseSource, Ledger};
use tokio::runtime::Handle;

use crate::job::{Job, drop_quietly};
use crate::pool::{Idle, Shared};
use crate::queue::{LaneIndex, Next};

/// For how long one worker looks for a next job before it ends. A wake-up of a parked thread costs about as much.
const SPIN: Duration = Duration::from_micros(20);

thread_local! {
    static IN_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Is this thread a worker, with a permit in its hand? Then it must not wait for another one.
pub(crate) fn is_worker_thread() -> bool {
    IN_WORKER.get()
}

/// Starts a worker for a permit that was taken already.
#[expect(clippy::disallowed_methods, reason = "the pool's worker: the cap bounds it")]
pub(crate) fn start<D: Database>(shared: &Arc<Shared<D>>) {
    let worker =
        Worker { shared: Arc::clone(shared), connection: None, opened: Instant::now(), arrived: false };
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || worker.run())),
        // No runtime: the worker's drop gives the permit back and refuses the job.
        Err(_) => drop(worker),
    }
}

/// Drops connections where that may block.
#[expect(clippy::disallowed_methods, reason = "connections are dropped in a worker")]
pub(crate) async fn drop_connections<C: Send + 'static>(connections: Vec<C>) {
    if !connections.is_empty() {
        // A panic of a connection's drop is caught inside; the runtime going down drops them all the same.
        let _ = tokio::task::spawn_blocking(move || connections.into_iter().for_each(drop_quietly)).await;
    }
}

struct Worker<D: Database> {
    shared: Arc<Shared<D>>,
    connection: Option<D::Connection>,
    opened: Instant,
    arrived: bool,
}

/// What a worker does next.
enum Turn<J> {
    Run {
        job: J,
        lane: LaneIndex,
        since: Instant,
    },
    /// It may look out for a job for a moment; whoever queues one will call it.
    Spin,
    /// It has given everything back.
    Left,
}

type Handed<D> = Arc<dyn Job<D>>;

impl<D: Database> Worker<D> {
    fn run(mut self) {
        IN_WORKER.set(true);
        self.shared.lock().queue.arrive();
        self.arrived = true;
        let mut turn = self.next(None, true);
        loop {
            turn = match turn {
                Turn::Run { job, lane, since } => {
                    self.run_job(&*job, since);
                    // Whoever sees the result finds the permit free, or this worker on the lookout: a client that asks
                    // again at once gets the same connection.
                    let next = self.next(Some(lane), true);
                    job.deliver();
                    next
                }
                Turn::Spin => {
                    let called = self.spin();
                    self.next(None, called)
                }
                Turn::Left => break,
            }
        }
        IN_WORKER.set(false);
    }

    /// The next job; or gives back everything, connection first, then the permit, in one step.
    fn next(&mut self, finished: Option<LaneIndex>, may_spin: bool) -> Turn<Handed<D>> {
        let warmth = self.connection.as_ref().map_or(0, |connection| self.shared.warmth(connection));
        let mut state = self.shared.lock();
        match state.queue.next(finished) {
            Next::Run { job, lane, since, start: another } => {
                drop(state);
                if another {
                    start(&self.shared);
                }
                return Turn::Run { job, lane, since };
            }
            Next::Idle if may_spin && self.shared.spins && state.queue.spin() => return Turn::Spin,
            Next::Idle => {}
        }
        let surplus = state.queue.is_closed() || state.queue.permits() > state.queue.cap();
        if let Some(connection) = self.connection.take() {
            if surplus {
                // The permit goes back when the connection is gone.
                drop(state);
                self.shared.ledger.connections.dropped.add(DropReason::Closed, 1);
                drop_quietly(connection);
                state = self.shared.lock();
            } else {
                state.idle.push(Idle { connection, warmth, opened: self.opened });
                self.shared.ledger.connections.idle.add(1);
            }
        }
        state.queue.leave();
        drop(state);
        self.shared.left.notify_waiters();
        Turn::Left
    }

    /// Looks out for a job for a moment; `true` when it was called for one.
    fn spin(&self) -> bool {
        let until = Instant::now() + SPIN;
        while !self.shared.called.load(Ordering::Acquire) && Instant::now() < until {
            std::hint::spin_loop();
        }
        let mut state = self.shared.lock();
        self.shared.called.store(false, Ordering::Relaxed);
        state.queue.stop_spinning()
    }

    fn run_job(&mut self, job: &dyn Job<D>, since: Instant) {
        let begin = Instant::now();
        let ledger = self.shared.ledger.clone();
        ledger.queue.depth.add(-1);
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
        let reusable = catch_unwind(AssertUnwindSafe(|| database.is_reusable(connection))).unwrap_or(false);
        let expired = self.shared.max_lifetime.is_some_and(|most| self.opened.elapsed() >= most);
        let reason = match (reusable, expired) {
            (false, _) => DropReason::NotReusable,
            (true, true) => DropReason::Expired,
            (true, false) => return,
        };
        self.shared.ledger.connections.dropped.add(reason, 1);
        self.shared.ledger.connections.in_use.add(-1);
        drop_quietly(self.connection.take());
    }
}

impl<D: Database> Drop for Worker<D> {
    /// A worker that never ran: its runtime is gone, or was never there. Waiting jobs would wait for ever.
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        let mut state = self.shared.lock();
        state.queue.arrive();
        state.queue.leave();
        let stranded = if state.queue.permits() == 0 { state.queue.drain() } else { Vec::new() };
        drop(state);
        self.shared.left.notify_waiters();
        for job in stranded {
            self.shared.ledger.queue.depth.add(-1);
            job.refuse(Error::with_source(ErrorKind::Closed, "no tokio runtime to run the job on"));
        }
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
        let connection = if let Some(idle) = self.shared.warmest() {
            connections.idle.add(-1);
            *self.opened = idle.opened;
            idle.connection
        } else {
            let connection = self.shared.database.connect()?;
            connections.opened.add(1);
            *self.opened = Instant::now();
            connection
        };
        connections.in_use.add(1);
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
