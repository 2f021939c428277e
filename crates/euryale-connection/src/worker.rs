//! A worker holds one permit, keeps one connection, and runs job after job on a thread that
//! [`StartWorker`](crate::StartWorker) has given to it.
//!
//! Connections are opened, used and dropped here and nowhere else. A worker that finds no job drops
//! expired idle connections one by one, and checks the queue before each. If no worker does so by
//! itself, housekeeping starts one. The worker keeps its permit until the connection is closed, so
//! a connection that is being closed still counts.

mod accounts;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use euryale_core::error::{NO_WORKER, PanicMessage};
use euryale_core::transaction::{DropReason, Lease};
use euryale_core::{Database, Error};
use tokio::runtime::Handle;
use tokio::time::Instant;

use self::accounts::Accounts;
use self::source::{Contact, Source};
use crate::closing::{drop_quietly, log_panic};
use crate::housekeeping;
use crate::queue::Then;
use crate::state::idle::Idle;
use crate::state::keeper::Call;
use crate::state::permit::{Assigned, Assignment, Permit};
use crate::state::{SharedPool, Todo};
use crate::threads::{PoolWorker, Work};

/// The time for which a worker spins for another job before it ends. Waking a parked thread costs
/// about as much.
const SPIN: Duration = Duration::from_micros(20);

/// The number of checks before the thread yields. Reading the clock costs as much as all of them.
const LOOKS: u32 = 16;

/// Starts a worker for a permit that is already taken. Never panics: if no thread can be started,
/// the worker is dropped, which returns the permit and refuses the jobs that no worker would run.
fn start<D: Database>(shared: &Arc<SharedPool<D>>) {
    let worker = Worker {
        shared: Arc::clone(shared),
        connection: None,
        opened: Instant::now(),
        warmth: None,
        permit: Permit::default(),
    };
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let worker = PoolWorker::new(worker, runtime);
    if let Err(panic) = PanicMessage::catch(|| shared.threads.start(worker)) {
        log_panic(&panic, "no thread for a worker");
    }
}

/// Does the work that the pool's state has requested, after its lock has been released.
pub(crate) fn carry_out<D: Database>(shared: &Arc<SharedPool<D>>, todo: Todo) {
    match todo.worker {
        Then::Wait => {}
        Then::Start => start(shared),
        Then::Call => shared.called.store(true, Ordering::Release),
    }
    match todo.keeper {
        Call::Nobody => {}
        Call::Start(woken, due) => housekeeping::start(shared, woken, due, carry_out),
        Call::Wake(woken) => woken.notify_one(),
    }
    if todo.has_left {
        shared.left.notify_waiters();
    }
}

struct Worker<D: Database> {
    shared: Arc<SharedPool<D>>,
    connection: Option<D::Connection>,
    opened: Instant,
    /// The warmth of the connection, which is read when the connection is about to become idle.
    warmth: Option<u64>,
    permit: Permit,
}

/// A worker's next step.
enum Step<D: Database> {
    Run(Assigned<D>),
    /// Drop an expired idle connection, and check again.
    Expire(D::Connection),
    /// Spin for a moment.
    Spin,
    /// Return everything after the last result has been delivered.
    Retire,
    /// End; everything has been returned.
    Leave,
}

impl<D: Database> Work for Worker<D> {
    fn run(mut self) {
        let mut next = self.next(Instant::now(), true);
        loop {
            next = match next {
                Step::Run(assigned) => {
                    let ended = self.run_job(&assigned);
                    // The worker returns its permit or spins before the result is delivered, so
                    // that a client that sends another request at once gets the same connection.
                    let next = self.next(ended, self.goes_on());
                    // This worker already has the next job, which must not be lost by a panic here.
                    // The job's span is closed with the job.
                    drop(PanicMessage::catch(move || {
                        assigned.job.deliver();
                        drop(assigned);
                    }));
                    next
                }
                Step::Spin => {
                    if !self.spin() {
                        // The warmth is read while this worker can still be called, so that a
                        // client that sends another request in that time gets this worker and its
                        // connection.
                        self.warmth = self
                            .connection
                            .as_ref()
                            .map(|idle| self.shared.warmth(idle));
                    }
                    self.next(Instant::now(), true)
                }
                Step::Expire(connection) => {
                    drop_quietly(connection);
                    self.next(Instant::now(), self.goes_on())
                }
                Step::Retire => {
                    self.discard(DropReason::Closed);
                    let mut pool = self.shared.lock();
                    pool.leave(&mut self.permit);
                    carry_out(&self.shared, pool.unlock());
                    break;
                }
                Step::Leave => break,
            }
        }
    }
}

impl<D: Database> Worker<D> {
    /// Returns whether its thread may run another job. A panic counts as yes.
    fn goes_on(&self) -> bool {
        PanicMessage::catch(|| self.shared.threads.goes_on()).unwrap_or_else(|panic| {
            log_panic(&panic, "the threads of a pool");
            true
        })
    }

    /// Takes the next job if `may` is true. Otherwise returns the connection and then the permit,
    /// in one step.
    fn next(&mut self, now: Instant, may: bool) -> Step<D> {
        let mut may_spin = self.shared.spins;
        loop {
            let mut pool = self.shared.lock();
            let assignment = if may {
                pool.next(&mut self.permit, &mut may_spin, now)
            } else {
                pool.stop(&mut self.permit, now)
            };
            match assignment {
                Assignment::Run(assigned) => {
                    self.warmth = None;
                    carry_out(&self.shared, pool.unlock());
                    return Step::Run(assigned);
                }
                Assignment::Spin => return Step::Spin,
                Assignment::Retire => return Step::Retire,
                Assignment::Leave => {}
            }
            if let Some(connection) = self.connection.take() {
                let Some(warmth) = self.warmth else {
                    // The database is not called under the lock.
                    drop(pool);
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
                pool.put_back(idle, now);
            }
            let expired = pool.take_expired(now);
            if expired.is_none() {
                pool.leave(&mut self.permit);
            }
            carry_out(&self.shared, pool.unlock());
            return expired.map_or(Step::Leave, Step::Expire);
        }
    }

    /// Spins for a moment. Returns whether the worker was called.
    fn spin(&self) -> bool {
        // This uses the real clock, because a paused one would never end the spin.
        let until = std::time::Instant::now() + SPIN;
        let is_called = || {
            std::hint::spin_loop();
            self.shared.called.load(Ordering::Acquire)
        };
        while !(0..LOOKS).any(|_| is_called()) {
            if std::time::Instant::now() >= until {
                return false;
            }
            // The next job may have to arrive on this core.
            std::thread::yield_now();
        }
        true
    }

    /// Runs a job. Returns the time of its end.
    fn run_job(&mut self, assigned: &Assigned<D>) -> Instant {
        let job = &*assigned.job;
        let book = &self.shared.book;
        let accounts = Accounts::open(Arc::clone(book), self.connection.is_some());
        let exclusion = &self.shared.exclusion;
        let deadline = assigned.until.map(Instant::into_std);
        let inside = if assigned.is_exclusive {
            exclusion.enter_alone(deadline)
        } else {
            exclusion.enter(deadline)
        };
        let begin = Instant::now();
        let waited = begin.into_std().saturating_duration_since(assigned.since);
        book.queue.wait_seconds.record(waited);
        let mut source = Source {
            shared: &self.shared,
            job,
            accounts,
            opened: &mut self.opened,
            seat: &self.permit.seat,
            until: assigned.until,
            contact: Contact::new(&self.shared.reach),
        };
        let went_well = job.run(&mut Lease::new(&mut source, &mut self.connection));
        if !went_well {
            Lease::new(&mut source, &mut self.connection).discard(DropReason::Panicked);
        }
        source.contact.end();
        let mut accounts = source.accounts;
        if assigned.is_exclusive {
            self.shared.book.exclusive.count(inside.is_alone());
        }
        drop(inside);
        self.check_connection(&mut accounts);

        // The gauges are decremented before the result is delivered.
        drop(accounts);
        let end = Instant::now();
        self.shared
            .book
            .publishers
            .seconds
            .record(end.saturating_duration_since(begin));
        end
    }

    /// Drops the connection after a job if it cannot serve another one.
    fn check_connection(&mut self, accounts: &mut Accounts) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let reusable = self.shared.is_reusable(connection);
        let expired = self.shared.ages.is_lifetime_over(self.opened);
        let reason = match (reusable, expired) {
            (false, _) => DropReason::NotReusable,
            (true, true) => DropReason::Expired,
            (true, false) => return,
        };
        accounts.disconnected();
        self.discard(reason);
    }

    fn discard(&mut self, reason: DropReason) {
        if let Some(connection) = self.connection.take() {
            self.shared.book.connections.dropped.add(reason, 1);
            drop_quietly(connection);
        }
    }
}

impl<D: Database> Drop for Worker<D> {
    /// Cleans up after a worker that ends in any other way than by leaving: its runtime has ended
    /// or never existed, or it has panicked unexpectedly. The permit must be returned, and waiting
    /// jobs must not wait forever.
    fn drop(&mut self) {
        if self.permit.is_given_back() {
            return;
        }
        // The connection is dropped before the permit is returned, because the next owner of the
        // permit may open another connection.
        self.discard(DropReason::Panicked);
        let mut pool = self.shared.lock();
        pool.break_down(&mut self.permit);
        carry_out(&self.shared, pool.unlock());
        let stranded = self.shared.stranded();
        self.shared.left.notify_waiters();
        for job in stranded {
            job.refuse(Error::new(NO_WORKER));
        }
    }
}
