//! Python's threads for work outside the workers.
//!
//! They are neither workers nor threads of the runtime, are started when there is work for them,
//! and end after [`IDLE`] without work.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale::ledger::{GaugeGuard, LaneMeter};
use euryale::threads::Work;
use euryale::{Error, Ledger};
use pyo3::prelude::*;

use crate::exceptions::LaneFull;
use crate::main_thread::{MainThread, Order};

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
    /// The jobs that wait, in the order of their numbers.
    queue: VecDeque<Job>,
    /// The number of the next job.
    next: u64,
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

/// Work that waits for a thread of the lane.
struct Job {
    number: u64,
    work: Work,
    waiting: GaugeGuard,
}

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

    /// Queues `work` at once, and resolves to its result. The work is called with the interpreter.
    ///
    /// If the future is dropped, work that has not begun is removed from the queue. Other work runs
    /// to its end, and its result is dropped.
    ///
    /// # Errors
    /// By code: `NO_WORKER` if no thread could be started or the server has ended, and `PANICKED`.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let (work, done) = Work::new(move || Python::attach(work));
        let queued = self.queue(work);
        async move {
            let _queued = queued;
            done.await
        }
    }

    /// Queues `work`. It is dropped at once if the server has ended.
    fn queue(&self, work: Work) -> Queued {
        let shared = &*self.0;
        let waiting = GaugeGuard::new(&shared.meter.waiting, 1);
        let mut state = shared.lock();
        let number = state.next;
        state.next += 1;
        let job = Job {
            number,
            work,
            waiting,
        };
        if state.has_ended {
            drop(state);
            drop(job);
        } else {
            state.queue.push_back(job);
            let missing = state.request_threads(shared.most);
            drop(state);
            self.order_threads(missing);
            shared.work.notify_one();
        }
        Queued {
            lane: self.clone(),
            number,
        }
    }

    /// Runs work on this thread until the lane has been idle for a while, or the server ends.
    pub(crate) fn work(&self) {
        let shared = &*self.0;
        let mut state = shared.lock();
        state.starting = state.starting.saturating_sub(1);
        drop(state);
        while let Some(job) = self.next() {
            drop(job.waiting);
            job.work.run(GaugeGuard::new(&shared.meter.running, 1));
        }
    }

    /// Waits for the next work of this thread. Returns `None` if the thread is to end.
    fn next(&self) -> Option<Job> {
        let shared = &*self.0;
        let mut state = shared.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                // Threads that could not be started are requested again.
                let missing = state.request_threads(shared.most);
                drop(state);
                self.order_threads(missing);
                return Some(job);
            }
            if state.has_ended {
                break;
            }
            state.idle += 1;
            let waited = shared.work.wait_timeout(state, IDLE);
            let (after, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.idle -= 1;
            if time.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        // `threads` can be one too low: an order is repeated if an exception interrupts it.
        state.threads = state.threads.saturating_sub(1);
        None
    }

    /// Orders the threads that [`State::request_threads`] has counted.
    fn order_threads(&self, count: usize) {
        if let Err(error) = self.0.main.order(Order::StartLaneThread, count) {
            tracing::error!("no thread for work outside the workers: {error}");
            (0..count).for_each(|_| self.lose_thread());
        }
    }

    /// Records that a requested thread could not be started. Without any thread, all work is
    /// dropped. Otherwise a thread that takes work requests another one: a request at once would be
    /// repeated without end while the system has no thread.
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
    ///
    /// # Errors
    /// Those of [`Lane::run`].
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
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

/// Removes a job from the queue when it is dropped, unless the job has begun.
struct Queued {
    lane: Lane,
    number: u64,
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut state = self.lane.0.lock();
        let at = state
            .queue
            .binary_search_by_key(&self.number, |job| job.number);
        let job = at.ok().and_then(|at| state.queue.remove(at));
        drop(state);
        // It may hold a place, whose drop takes the lock.
        drop(job);
    }
}

impl State {
    /// Returns the number of further threads that the queue needs, up to the bound. The caller
    /// orders them. They are counted here.
    fn request_threads(&mut self, most: usize) -> usize {
        if self.has_ended {
            return 0;
        }
        let served = self.idle + self.starting;
        let room = most.saturating_sub(self.threads);
        let missing = self.queue.len().saturating_sub(served).min(room);
        self.threads += missing;
        self.starting += missing;
        missing
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
