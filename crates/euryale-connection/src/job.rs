//! A job: its closure, the future that waits for it, and its result.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use euryale_core::error::{PANICKED, PanicMessage, WOULD_DEADLOCK};
use euryale_core::transaction::{Lease, Stopped, Switch};
use euryale_core::{Database, Error};
use tokio::time::{Instant, Sleep};

use crate::QUEUE_ELAPSED;
use crate::closing::{drop_quietly, log_panic};
use crate::queue::Ticket;
use crate::threads::is_worker_thread;

/// A job as the queue and the workers see it.
pub(crate) trait Job<D: Database>: Send + Sync {
    /// Runs the job on the caller's thread. Returns `false` if it panicked. The result is kept
    /// until it is delivered.
    fn run(&self, lease: &mut Lease<'_, D>) -> bool;

    /// Delivers the result. Called after the worker has returned everything that the job held.
    fn deliver(&self);

    /// Ends the job without having run it.
    fn refuse(&self, error: Error);

    /// Returns whether the job's future has been dropped.
    fn is_abandoned(&self) -> bool;

    /// Returns the switch of the job's transactions.
    fn switch(&self) -> &Switch;

    /// Stops the job's transaction, which is then never committed, whatever the worker still does.
    /// Completes the future, unless the job has already committed an earlier transaction. Returns
    /// `false` if there is no transaction or it is too late.
    fn stop(&self, why: Stopped) -> bool;
}

/// The single allocation of a job, shared by the queue, the worker and the future.
pub(crate) struct Cell<F, T> {
    state: Mutex<JobState<F, T>>,
    abandoned: AtomicBool,
    switch: Switch,
    span: tracing::Span,
}

/// Waiting ⇒ (Running or Done or Over), Running ⇒ (Ran or Over), Ran ⇒ (Done or Over), Done ⇒ Over.
enum JobState<F, T> {
    /// The job is in the queue.
    Waiting(F, Option<Waker>),
    /// The job is running in a worker.
    Running(Option<Waker>),
    /// The job has run, and the worker is about to deliver the result.
    Ran(Result<T, Error>, Option<Waker>),
    /// The result is ready for the future.
    Done(Result<T, Error>),
    /// The result was fetched, or the future was dropped.
    Over,
}

impl<F, T> Cell<F, T> {
    /// Creates a job. With `ends_with_client`, its transactions are stopped when its future is
    /// dropped.
    pub(crate) fn new(job: F, ends_with_client: bool) -> Self {
        Self {
            state: Mutex::new(JobState::Waiting(job, None)),
            abandoned: AtomicBool::new(false),
            switch: Switch::new(ends_with_client),
            span: tracing::Span::current(),
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let mut state = self.lock();
        // A stopped transaction never commits, whatever its worker still does. But if the job has
        // already committed an earlier one, only its worker has the answer.
        if let (JobState::Running(_), Some(why)) = (&*state, self.switch.stopped_uncommitted()) {
            self.abandoned.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(Error::with_source(why.code(), why)));
        }
        match &mut *state {
            JobState::Waiting(_, waker) | JobState::Running(waker) | JobState::Ran(_, waker) => {
                if !waker
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(cx.waker()))
                {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            JobState::Done(_) => match std::mem::replace(&mut *state, JobState::Over) {
                JobState::Done(result) => Poll::Ready(result),
                _ => Poll::Pending,
            },
            // The future was polled after completion, against the contract.
            JobState::Over => Poll::Pending,
        }
    }

    /// Abandons the job, because its future was dropped. A job that never started is dropped here,
    /// outside every lock.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        let unwanted = match &mut *state {
            // The worker sees the new state, and drops the job's result where that may block.
            JobState::Running(waker) | JobState::Ran(_, waker) => {
                *waker = None;
                None
            }
            _ => Some(std::mem::replace(&mut *state, JobState::Over)),
        };
        drop(state);
        drop(unwanted);
        self.switch.client_gone();
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, JobState<F, T>> {
        // Only our own assignments, and clones and drops of wakers, run under this lock, so a
        // poisoned state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D, F, T> Job<D> for Cell<F, T>
where
    D: Database,
    F: FnOnce(&mut Lease<'_, D>) -> T + Send,
    T: Send,
{
    fn run(&self, lease: &mut Lease<'_, D>) -> bool {
        let mut state = self.lock();
        let job = match std::mem::replace(&mut *state, JobState::Running(None)) {
            JobState::Waiting(job, waker) => {
                *state = JobState::Running(waker);
                job
            }
            // The job was abandoned after it had left the queue.
            other => {
                *state = other;
                return true;
            }
        };
        drop(state);
        let result = PanicMessage::catch(|| self.span.in_scope(|| job(lease)));
        let panicked = result.is_err();
        let result = result.map_err(|panic| Error::with_source(PANICKED, panic));
        let mut state = self.lock();
        let waker = match &mut *state {
            JobState::Running(waker) => waker.take(),
            _ => None,
        };
        *state = JobState::Ran(result, waker);
        !panicked
    }

    fn deliver(&self) {
        let mut state = self.lock();
        let (result, waker) = match std::mem::replace(&mut *state, JobState::Over) {
            JobState::Ran(result, waker) => (result, waker),
            other => {
                *state = other;
                return;
            }
        };
        if self.is_abandoned() {
            // The result may be large, so it is dropped outside the lock.
            drop(state);
            drop_quietly(result);
            return;
        }
        *state = JobState::Done(result);
        drop(state);
        wake(waker);
    }

    fn refuse(&self, error: Error) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut *state, JobState::Done(Err(error)));
        drop(state);
        if let JobState::Waiting(job, waker) = before {
            drop_quietly(job);
            wake(waker);
        }
    }

    fn is_abandoned(&self) -> bool {
        Cell::is_abandoned(self)
    }

    fn switch(&self) -> &Switch {
        &self.switch
    }

    fn stop(&self, why: Stopped) -> bool {
        let stopped = self.switch.fire(why);
        if stopped {
            let mut state = self.lock();
            let waker = match &mut *state {
                JobState::Running(waker) => waker.take(),
                _ => None,
            };
            drop(state);
            wake(waker);
        }
        stopped
    }
}

/// Wakes the waiting task. A panic in the waker, which is foreign code, must not break the worker.
fn wake(waker: Option<Waker>) {
    if let Err(panic) = PanicMessage::catch(|| waker.map(Waker::wake)) {
        log_panic(&panic, "a waker panicked");
    }
}

/// The part of the queue that the future of a waiting job needs.
pub(crate) trait Withdraw {
    /// Removes a job from the queue, and counts the reason. Returns `false` if a worker has already
    /// taken the job.
    fn withdraw(&self, ticket: Ticket, why: Withdrawal) -> bool;
}

/// The reason why a job leaves the queue without having run.
#[derive(Clone, Copy)]
pub(crate) enum Withdrawal {
    /// The job has waited for too long.
    Elapsed,
    /// The job's future was dropped.
    ClientGone,
}

/// The future of an admitted job. Dropping it removes a waiting job from the queue in constant
/// time.
pub(crate) struct Waiting<Q: Withdraw, F, T> {
    queue: Arc<Q>,
    cell: Arc<Cell<F, T>>,
    position: Position,
}

/// Queued ⇒ (Taken or Left), Taken ⇒ Left.
enum Position {
    /// The job may still be in the queue, in which it waits until the timer fires.
    Queued {
        ticket: Ticket,
        until: Option<Instant>,
        timer: Option<Pin<Box<Sleep>>>,
    },
    /// A worker has taken the job.
    Taken,
    /// The future has returned the result.
    Left,
}

impl<Q: Withdraw, F, T> Waiting<Q, F, T> {
    pub(crate) fn new(
        queue: Arc<Q>,
        cell: Arc<Cell<F, T>>,
        ticket: Ticket,
        until: Option<Instant>,
    ) -> Self {
        Self {
            queue,
            cell,
            position: Position::Queued {
                ticket,
                until,
                timer: None,
            },
        }
    }
}

impl<Q: Withdraw, F, T> Future for Waiting<Q, F, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if is_worker_thread() {
            return Poll::Ready(Err(Error::new(WOULD_DEADLOCK)));
        }
        let this = &mut *self;
        if let Poll::Ready(result) = this.cell.poll(cx) {
            this.position = Position::Left;
            return Poll::Ready(result);
        }
        let Position::Queued {
            ticket,
            until: Some(until),
            timer,
        } = &mut this.position
        else {
            return Poll::Pending;
        };
        // The timer is created at the first wait. A job that is refused or done by then needs none.
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(*until)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if !this.queue.withdraw(*ticket, Withdrawal::Elapsed) {
            // A worker was faster, so the job now runs to its end.
            this.position = Position::Taken;
            return Poll::Pending;
        }
        this.position = Position::Left;
        this.cell.abandon();
        Poll::Ready(Err(Error::new(QUEUE_ELAPSED)))
    }
}

impl<Q: Withdraw, F, T> Drop for Waiting<Q, F, T> {
    fn drop(&mut self) {
        match self.position {
            Position::Left => return,
            Position::Taken => {}
            Position::Queued { ticket, .. } => {
                self.queue.withdraw(ticket, Withdrawal::ClientGone);
            }
        }
        self.cell.abandon();
    }
}
