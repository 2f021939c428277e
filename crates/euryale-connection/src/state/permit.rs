//! A worker's permit and its next assignment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use euryale_core::Database;
use tokio::time::Instant;

use super::Locked;
use super::seats::{RunningJob, Seat};
use crate::job::Job;
use crate::queue::{LaneIndex, Next, Then};

/// A worker's permit and its state.
#[derive(Default)]
pub(crate) struct Permit {
    stage: Stage,
    /// The worker's seat.
    pub(crate) seat: Seat,
}

impl Permit {
    pub(crate) fn is_given_back(&self) -> bool {
        matches!(self.stage, Stage::Left)
    }
}

/// (Coming, Spinning or Running) ⇒ Idle at each check of the queue, Idle ⇒ (Running, Spinning or
/// Left).
#[derive(Clone, Copy, Default)]
enum Stage {
    /// The worker was started, and has not checked the queue yet. It holds a permit.
    #[default]
    Coming,
    /// The worker checks the queue, or drops an expired connection. It holds a permit.
    Idle,
    /// The worker spins while it waits for a job. It holds a permit.
    Spinning,
    /// The worker runs a job of this lane. It holds a permit.
    Running(LaneIndex),
    /// The worker has left, and holds nothing.
    Left,
}

/// A job that a worker is to run.
pub(crate) struct Assigned<D: Database> {
    pub(crate) job: Arc<dyn Job<D>>,
    /// The time at which it was queued.
    pub(crate) since: std::time::Instant,
    /// The time at which its transaction is stopped.
    pub(crate) until: Option<Instant>,
    /// No other job may begin before it has ended.
    pub(crate) is_exclusive: bool,
}

/// A worker's next action.
pub(crate) enum Assignment<D: Database> {
    /// Run this job.
    Run(Assigned<D>),
    /// Spin for a moment. The code that queues a job will call the worker.
    Spin,
    /// Leave because the cap was lowered or the pool is closed.
    Retire,
    /// Leave because there is nothing to do.
    Leave,
}

impl<D: Database> Locked<'_, D> {
    /// Returns the worker's next assignment. `may_spin` becomes false after a spin without a job.
    pub(crate) fn next(
        &mut self,
        permit: &mut Permit,
        may_spin: &mut bool,
        now: Instant,
    ) -> Assignment<D> {
        let state = &mut *self.state;
        let finished = match std::mem::replace(&mut permit.stage, Stage::Idle) {
            Stage::Running(lane) => {
                if let Some(ended) = state.seats.clear(&permit.seat) {
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
                *may_spin &= state.queue.stop_spinning();
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
                permit.stage = Stage::Running(lane);
                self.shared.book.queue.depth.add(-1);
                let job = queued.job;
                let running = RunningJob::new(Arc::clone(&job), queued.about, lane, now, since);
                let until = running.until;
                let is_exclusive = running.about.history.exclusive;
                state.seats.take(&mut permit.seat, running);
                self.todo.worker = then;
                self.look_after_job(now, until);
                return Assignment::Run(Assigned {
                    job,
                    since,
                    until,
                    is_exclusive,
                });
            }
            Next::Idle if *may_spin && state.queue.spin() => {
                permit.stage = Stage::Spinning;
                return Assignment::Spin;
            }
            Next::Idle => {}
        }
        self.without_job()
    }

    /// Ends the worker after its last job, although there may be others.
    pub(crate) fn stop(&mut self, permit: &mut Permit, now: Instant) -> Assignment<D> {
        let state = &mut *self.state;
        if let Stage::Running(lane) = std::mem::replace(&mut permit.stage, Stage::Idle) {
            if let Some(ended) = state.seats.clear(&permit.seat) {
                ended.ended(now);
            }
            state.queue.finish(Some(lane));
        }
        self.without_job()
    }

    fn without_job(&self) -> Assignment<D> {
        let queue = &self.state.queue;
        if queue.is_closed() || queue.permits() > queue.cap() {
            return Assignment::Retire;
        }
        Assignment::Leave
    }

    /// Returns the worker's permit.
    pub(crate) fn leave(&mut self, permit: &mut Permit) {
        self.state.seats.leave(&mut permit.seat);
        self.todo.worker = self.state.queue.leave();
        self.todo.has_left = true;
        permit.stage = Stage::Left;
    }

    /// Returns the permit of a worker that ends in any other way than by leaving.
    pub(crate) fn break_down(&mut self, permit: &mut Permit) {
        let queue = &mut self.state.queue;
        self.todo.worker = match std::mem::replace(&mut permit.stage, Stage::Left) {
            Stage::Coming => {
                queue.give_up();
                Then::Wait
            }
            Stage::Spinning => {
                queue.stop_spinning();
                queue.break_down(None)
            }
            Stage::Running(lane) => queue.break_down(Some(lane)),
            Stage::Idle | Stage::Left => queue.break_down(None),
        };
        self.state.seats.leave(&mut permit.seat);
    }
}
