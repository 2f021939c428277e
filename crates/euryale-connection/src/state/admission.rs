//! Adds jobs to the queue, and removes those that leave without having run.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::{CLOSED, WOULD_DEADLOCK};
use euryale_core::{Database, Error};
use tokio::time::Instant;

use super::seats::About;
use super::{Queued, SharedPool, Todo};
use crate::QUEUE_FULL;
use crate::job::{Cell, Job, Waiting, Withdraw, Withdrawal};
use crate::queue::{LaneIndex, Rank, Refused, Then, Ticket};
use crate::threads::is_worker_thread;

impl<D: Database> SharedPool<D> {
    /// Queues a job. Returns its future, and the work that has to be done for it to run.
    pub(crate) fn admit<F, T>(
        self: &Arc<Self>,
        job: F,
        lane: LaneIndex,
        rank: Rank,
        about: About,
        deadline: Option<Duration>,
    ) -> Result<(Waiting<Self, F, T>, Todo), Error>
    where
        Cell<F, T>: Job<D> + 'static,
    {
        if is_worker_thread() {
            return Err(Error::new(WOULD_DEADLOCK));
        }
        let now = Instant::now();
        let cell = Arc::new(Cell::new(job, about.stop_when.client_gone));
        let queued = Queued {
            job: Arc::clone(&cell) as Arc<dyn Job<D>>,
            about,
            since: now,
        };
        let mut pool = self.lock();
        let admitted = pool.state.queue.admit(queued, lane, rank, now.into_std());
        let admitted = admitted.map(|(ticket, then)| {
            self.book.queue.depth.add(1);
            pool.todo.worker = then;
            // A called worker takes a job at once, and the running job is watched from then on.
            if then != Then::Call {
                pool.look_after_job(now, None);
            }
            ticket
        });
        let wait = deadline.into_iter().chain(pool.max_wait).min();
        let todo = pool.unlock();
        // A time beyond the end of the clock is no limit.
        let until = wait.and_then(|wait| now.checked_add(wait));
        match admitted {
            // From here on the future owns the job, and removes it from the queue when it is
            // dropped.
            Ok(ticket) => Ok((Waiting::new(Arc::clone(self), cell, ticket, until), todo)),
            Err((_, Refused::Full)) => {
                self.book.queue.full.add(1);
                Err(Error::new(QUEUE_FULL))
            }
            Err((_, Refused::Closed)) => Err(Error::new(CLOSED)),
        }
    }
}

impl<D: Database> Withdraw for SharedPool<D> {
    fn withdraw(&self, ticket: Ticket, why: Withdrawal) -> bool {
        let withdrawn = self.state().queue.cancel(ticket);
        let Some(queued) = withdrawn else {
            return false;
        };
        queued.left();
        let queue = &self.book.queue;
        queue.depth.add(-1);
        match why {
            Withdrawal::Elapsed => queue.elapsed.add(1),
            Withdrawal::ClientGone => queue.gone.add(1),
        }
        true
    }
}
