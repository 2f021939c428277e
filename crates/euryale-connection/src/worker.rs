//! A worker holds one permit, keeps one connection, and runs job after job on a thread that
//! [`StartWorker`](crate::StartWorker) has given to it.
//!
//! Connections are opened, used and dropped here and nowhere else. A worker that finds nothing to
//! run drops idle connections whose time is over, one by one, with a look at the queue before each;
//! housekeeping sends for one when none comes by itself. It holds its permit until then: a
//! connection that is still being closed counts.

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
use crate::job::Job;
use crate::queue::Then;
use crate::state::idle::Idle;
use crate::state::keeper::Call;
use crate::state::turn::{Permit, Turn};
use crate::state::{SharedPool, Todo};
use crate::threads::{PoolWorker, Work};

/// How long one worker spins for a next job before it ends. Waking a parked thread costs about as
/// much.
const SPIN: Duration = Duration::from_micros(20);

/// The number of checks before the core is yielded. Reading the clock costs as much as all of them.
const LOOKS: u32 = 16;

/// Starts a worker for a permit that was taken already. Never panics: when no thread can be had,
/// the worker's drop gives the permit back and refuses the jobs that nobody would come for.
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

/// Does what the pool's state asks for, after its lock has been released.
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
    /// Read when the connection is about to become idle.
    warmth: Option<u64>,
    permit: Permit,
}

/// A worker's next step.
enum Step<D: Database> {
    Run {
        job: Arc<dyn Job<D>>,
        since: std::time::Instant,
        /// When its transaction is stopped.
        until: Option<Instant>,
    },
    /// Drops an expired idle connection, and checks again.
    Expire(D::Connection),
    /// Spins for a moment.
    Spin,
    /// Returns everything when the last result is delivered.
    Retire,
    /// Has given everything back.
    Leave,
}

impl<D: Database> Work for Worker<D> {
    fn run(mut self) {
        let mut next = self.next(Instant::now(), true);
        loop {
            next = match next {
                Step::Run { job, since, until } => {
                    let ended = self.run_job(&*job, since, until);
                    // The permit is free, or this worker spins, before anyone sees the result, so
                    // that a client that sends another request at once gets the same connection.
                    let next = self.next(ended, self.goes_on());
                    // This worker has the next job already, which must not be lost by a failure
                    // here. The job's span is closed with the job.
                    drop(PanicMessage::catch(move || {
                        job.deliver();
                        drop(job);
                    }));
                    next
                }
                Step::Spin => {
                    if !self.spin() {
                        // Asked while this worker can still be called: a client that sends another
                        // request in that time gets this worker, not another one with another
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
    /// Whether its thread may run another job. A panic counts as yes.
    fn goes_on(&self) -> bool {
        PanicMessage::catch(|| self.shared.threads.goes_on()).unwrap_or_else(|panic| {
            log_panic(&panic, "the threads of a pool");
            true
        })
    }

    /// Takes the next job, if it `may`, or returns everything, connection first, then the permit,
    /// in one step.
    fn next(&mut self, now: Instant, may: bool) -> Step<D> {
        let mut may_spin = self.shared.spins;
        loop {
            let mut pool = self.shared.lock();
            let turn = if may {
                pool.next(&mut self.permit, &mut may_spin, now)
            } else {
                pool.stop(&mut self.permit, now)
            };
            match turn {
                Turn::Run { job, since, until } => {
                    self.warmth = None;
                    carry_out(&self.shared, pool.unlock());
                    return Step::Run { job, since, until };
                }
                Turn::Spin => return Step::Spin,
                Turn::Retire => return Step::Retire,
                Turn::Leave => {}
            }
            if let Some(connection) = self.connection.take() {
                let Some(warmth) = self.warmth else {
                    // The database is not asked under the lock.
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

    /// Spins for a moment; returns whether it was called.
    fn spin(&self) -> bool {
        // The real clock, because a paused one would never end it.
        let until = std::time::Instant::now() + SPIN;
        let is_called = || {
            std::hint::spin_loop();
            self.shared.called.load(Ordering::Acquire)
        };
        while !(0..LOOKS).any(|_| is_called()) {
            if std::time::Instant::now() >= until {
                return false;
            }
            // This core may be the one on which the next job would arrive.
            std::thread::yield_now();
        }
        true
    }

    /// Runs a job that was queued at `since`, and whose transaction is stopped at `until`. Returns
    /// when it ended.
    fn run_job(
        &mut self,
        job: &dyn Job<D>,
        since: std::time::Instant,
        until: Option<Instant>,
    ) -> Instant {
        let begin = Instant::now();
        let book = &self.shared.book;
        book.queue
            .wait_seconds
            .record(begin.into_std().saturating_duration_since(since));
        let mut source = Source {
            shared: &self.shared,
            job,
            accounts: Accounts::open(Arc::clone(book), self.connection.is_some()),
            opened: &mut self.opened,
            seat: &self.permit.seat,
            until,
            contact: Contact::new(&self.shared.reach),
        };
        let went_well = job.run(&mut Lease::new(&mut source, &mut self.connection));
        if !went_well {
            Lease::new(&mut source, &mut self.connection).discard(DropReason::Panicked);
        }
        source.contact.end();
        let mut accounts = source.accounts;
        self.check_connection(&mut accounts);

        // The gauges are decremented before anyone can see the result.
        drop(accounts);
        let end = Instant::now();
        self.shared
            .book
            .publishers
            .seconds
            .record(end.saturating_duration_since(begin));
        end
    }

    /// Called after each job: returns whether the connection can serve another one.
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
    /// A worker that ends in any other way than by leaving: its runtime has ended or never existed,
    /// or there was an unexpected panic. The permit must be returned, and waiting jobs must not
    /// wait for ever.
    fn drop(&mut self) {
        if self.permit.is_given_back() {
            return;
        }
        // First the connection, then the permit, because the next owner of the permit may open
        // another one.
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
