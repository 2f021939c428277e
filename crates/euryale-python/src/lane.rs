//! Python's threads for work outside the workers.
//!
//! They are neither workers nor threads of the runtime, are started when there is work for them,
//! and end after [`IDLE`] without work.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale::Ledger;
use euryale::error::PanicMessage;
use euryale::ledger::{GaugeGuard, LaneMeter};
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::exceptions::LaneFull;
use crate::main_thread::{MainThread, START_LANE_THREAD};

/// The number of deferred answers and calls after commits that may wait for a thread. Promises are
/// limited by their layer.
const WAITING: usize = 1024;

/// The time after which a thread without work ends.
const IDLE: Duration = Duration::from_secs(30);

/// The threads and the work that waits for one. Clones are handles to the same threads.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Threads without work wait for this.
    work: Condvar,
    main: MainThread,
    most: usize,
    meter: Arc<LaneMeter>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// The number of threads that run or were requested.
    threads: usize,
    /// The number of threads that wait for work.
    idle: usize,
    /// The number of requested threads that do not run yet.
    starting: usize,
    /// The number of places that were reserved and whose work has not begun.
    reserved: usize,
    /// All threads end, and later work is dropped.
    has_ended: bool,
}

/// Work that runs on a thread of the lane, which is not attached to the interpreter.
type Job = Box<dyn FnOnce() + Send>;

/// No thread could be started, or the server has ended, or the work panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no thread for it")
    }
}

impl std::error::Error for Lost {}

impl Lane {
    /// Creates a lane of at most this number of threads, which `main` starts.
    pub(crate) fn new(main: &MainThread, most: usize, ledger: &Ledger) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            main: main.clone(),
            most,
            meter: ledger.lanes.of("python"),
        }))
    }

    /// Takes a place in the queue, for work that must not be refused later.
    ///
    /// # Errors
    /// `LaneFull`.
    pub(crate) fn reserve(&self) -> PyResult<LanePlace> {
        let mut state = self.0.lock();
        if state.reserved >= WAITING {
            drop(state);
            self.0.meter.refused.add(1);
            let text = format!("{WAITING} calls wait for a thread outside the workers");
            return Err(LaneFull::new_err(text));
        }
        state.reserved += 1;
        drop(state);
        Ok(LanePlace(self.clone()))
    }

    /// Queues `work` at once, and resolves to its result. It is called with the interpreter.
    ///
    /// If the future is dropped, work that has not begun never begins. Other work runs to its end,
    /// and its result is dropped.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Lost>> + Send {
        let (sender, result) = oneshot::channel();
        let waiting = GaugeGuard::new(&self.0.meter.waiting, 1);
        let running = self.0.meter.running.clone();
        self.0.queue(Box::new(move || {
            drop(waiting);
            if sender.is_closed() {
                return;
            }
            let running = GaugeGuard::new(&running, 1);
            let done = PanicMessage::catch(|| Python::attach(work));
            drop(running);
            match done {
                Ok(value) => drop(sender.send(value)),
                Err(panic) => tracing::error!(%panic, "work in a Python thread failed"),
            }
        }));
        async move { result.await.map_err(|_| Lost) }
    }

    /// Runs work on this thread until the lane has been idle for a while, or the server ends.
    pub(crate) fn work(&self) {
        let shared = &*self.0;
        let mut state = shared.lock();
        state.starting = state.starting.saturating_sub(1);
        drop(state);
        while let Some(job) = shared.next() {
            job();
        }
    }

    /// Records that a requested thread could not be started. Without any thread, all work is
    /// dropped.
    pub(crate) fn lose_thread(&self) {
        let mut state = self.0.lock();
        state.starting = state.starting.saturating_sub(1);
        state.threads = state.threads.saturating_sub(1);
        let lost = match state.threads {
            0 => std::mem::take(&mut state.queue),
            _ => VecDeque::new(),
        };
        drop(state);
        drop(lost);
    }

    /// Lets all threads end after their current work, and drops all other work.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        let lost = std::mem::take(&mut state.queue);
        drop(state);
        self.0.work.notify_all();
        drop(lost);
    }
}

/// A place in the queue. It is returned when it is dropped, or when its work begins.
pub(crate) struct LanePlace(Lane);

impl LanePlace {
    /// Queues `work`, like [`Lane::run`], and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let lane = self.0.clone();
        let done = lane.run(move |py| {
            drop(self);
            work(py)
        });
        done.await
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        self.0.0.lock().reserved -= 1;
    }
}

impl Shared {
    fn queue(&self, job: Job) {
        let mut state = self.lock();
        if state.has_ended {
            drop(state);
            drop(job);
            return;
        }
        state.queue.push_back(job);
        let is_short = state.queue.len() > state.idle + state.starting;
        let starts = is_short && state.threads < self.most;
        if starts {
            state.threads += 1;
            state.starting += 1;
        }
        drop(state);
        if starts {
            self.main.order(START_LANE_THREAD, 1);
        }
        self.work.notify_one();
    }

    /// Waits for the next work of this thread. Returns `None` if the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.has_ended {
                break;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let (after, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.idle -= 1;
            if time.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        // An order that an exception interrupts is carried out twice.
        state.threads = state.threads.saturating_sub(1);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
