//! Housekeeping: closes expired idle connections, logs jobs that wait or run for a long time, and
//! stops jobs whose deadline has passed.
//!
//! It is a task on the runtime from which the pool is used. A worker starts it when there is
//! something to watch. It sleeps until the next time at which something is due, checks, and ends
//! when there is nothing more to watch. It costs a busy pool an occasional wake-up, and an idle
//! pool nothing.
//!
//! While it sleeps it has no handle to the pool, and it never holds a permit: connections are
//! dropped by workers, and it starts a worker if necessary. If its runtime ends, the next worker
//! starts another task.

use std::sync::{Arc, Weak};
use std::time::Duration;

use euryale_core::Database;
use euryale_core::error::PanicMessage;
use euryale_core::transaction::Stopped;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::report::{self, LateJobs};
use crate::state::{SharedPool, Todo};

/// The time until the next check if a worker was started, or if all workers were busy.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The function that starts the workers that a check asks for:
/// [`carry_out`](crate::worker::carry_out).
pub(crate) type CarryOut<D> = fn(&Arc<SharedPool<D>>, Todo);

/// Starts the task, which sleeps until `due`.
pub(crate) fn start<D: Database>(
    pool: &Arc<SharedPool<D>>,
    woken: Arc<Notify>,
    due: Instant,
    carry_out: CarryOut<D>,
) {
    let task = Task {
        pool: Arc::downgrade(pool),
        woken,
        carry_out,
    };
    // Without a runtime, or on one that is shutting down, the task is dropped, and its shift ends.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task.run(due));
    }
}

impl<D: Database> SharedPool<D> {
    /// Handles everything that is due. Returns the time of the next check, or `None` if there is
    /// nothing more to watch.
    fn look(self: &Arc<Self>, woken: &Arc<Notify>, carry_out: CarryOut<D>) -> Option<Instant> {
        let now = Instant::now();
        let mut pool = self.lock();
        if !pool.keeper.is_on(woken) {
            return None;
        }
        // If the pool is closing, `close` drops the idle connections.
        let is_closed = pool.queue().is_closed();
        let first = pool.idle().first_expiry(&self.ages);
        let mut next = first.filter(|_| !is_closed);
        if next.is_some_and(|first| first <= now) {
            pool.send_for_one();
            next = Some(now + LOOK_AGAIN);
        }
        let mut long = Vec::new();
        let mut over = Vec::new();
        for (running, phase) in pool.seats.iter_mut() {
            match running.until {
                Some(until) if until <= now => {
                    running.until = None;
                    over.push(Arc::clone(&running.job));
                }
                until => next = next.into_iter().chain(until).min(),
            }
            if running.is_logged {
                continue;
            }
            match self
                .warn_after
                .and_then(|age| running.since.checked_add(age))
            {
                Some(due) if due <= now => {
                    running.is_logged = true;
                    long.push(self.holder(running, phase, now));
                }
                due => next = next.into_iter().chain(due).min(),
            }
        }
        let mut late = LateJobs::default();
        if let Some(before) = self
            .warn_after
            .and_then(|age| now.into_std().checked_sub(age))
        {
            let first = pool.tell_late(before, |job| late.add(job, now, &self.lanes));
            // Jobs that become late shortly after each other are logged together.
            let due =
                first.and_then(|since| Instant::from_std(since).checked_add(self.warn_after?));
            next = next
                .into_iter()
                .chain(due.map(|due| due.max(now + LOOK_AGAIN)))
                .min();
        }
        pool.keeper.sleep(next, woken);
        let todo = pool.unlock();
        carry_out(self, todo);
        for job in over {
            quietly(|| job.stop(Stopped::Deadline));
        }
        for holder in &long {
            quietly(|| report::warn(holder));
        }
        quietly(|| late.warn());
        next
    }
}

/// Runs code that writes to the log. The subscriber belongs to the program: if it panics, the task
/// that enforces the deadlines must go on. The panic hook has already reported the panic.
fn quietly<T>(logging: impl FnOnce() -> T) {
    drop(PanicMessage::catch(logging));
}

/// The task.
struct Task<D: Database> {
    pool: Weak<SharedPool<D>>,
    woken: Arc<Notify>,
    carry_out: CarryOut<D>,
}

impl<D: Database> Task<D> {
    /// The task sleeps first. The reason for its start is usually gone when the check is due, and
    /// should not start another task each time.
    async fn run(self, due: Instant) {
        let mut due = Some(due);
        while let Some(moment) = due {
            // The task checks, whether the time has elapsed or it was woken.
            let _ = tokio::time::timeout_at(moment, self.woken.notified()).await;
            due = self.look();
        }
    }

    fn look(&self) -> Option<Instant> {
        self.pool.upgrade()?.look(&self.woken, self.carry_out)
    }
}

impl<D: Database> Drop for Task<D> {
    /// Called if the task ends, if its runtime ends, or if it panics because the runtime has no
    /// timer.
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let is_off = std::thread::panicking();
        let mut state = pool.state();
        if state.keeper.is_on(&self.woken) {
            state.keeper.end(is_off);
        }
        drop(state);
        if is_off {
            quietly(|| {
                tracing::warn!(
                    "no housekeeping, as on a runtime without a timer: transactions whose \
                     deadline has passed go on until they would commit, connections whose time is \
                     over stay open until their turn comes, and jobs that take long are not named"
                );
            });
        }
    }
}
