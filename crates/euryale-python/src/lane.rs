//! Python's threads for work outside the workers.
//!
//! They are neither workers nor threads of the runtime, are started when there is work for them,
//! and end after [`IDLE`] without work.
//!
//! Streams have a lane of their own: one without end keeps its thread for as long as its client
//! reads, and promises that waited for it would keep requests from their answers.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale::ledger::{GaugeGuard, LaneMeter};
use euryale::threads::{Done, Work};
use euryale::{Error, Ledger};
use euryale_wsgi::Settings;
use pyo3::prelude::*;

use crate::answers::Asked;
use crate::at_work::{AtWork, Kind, Step, THREAD, Thread};
use crate::exceptions::LaneFull;
use crate::main_thread::{MainThread, Order};

/// The number of deferred answers and calls after commits that may wait for a thread, and of
/// streams. Promises are limited by their layer.
const WAITING: usize = 1024;

/// The time after which a thread without work ends.
const IDLE: Duration = Duration::from_secs(30);

/// The lanes of a server.
#[derive(Clone)]
pub(crate) struct Lanes {
    /// Promises, deferred answers and calls after commits.
    pub(crate) calls: Lane,
    pub(crate) streams: Lane,
}

impl Lanes {
    pub(crate) fn new(
        main: &MainThread,
        settings: &Settings,
        at_work: &AtWork,
        ledger: &Ledger,
    ) -> Self {
        let lane = |kind, order, most, name| {
            Lane(Arc::new(Shared {
                state: Mutex::default(),
                work: Condvar::new(),
                main: main.clone(),
                kind,
                order,
                most,
                meter: ledger.lanes.of(name),
                at_work: at_work.clone(),
            }))
        };
        let Settings {
            lane_threads,
            stream_threads,
            ..
        } = *settings;
        Self {
            calls: lane(Kind::Lane, Order::StartLaneThread, lane_threads, "python"),
            streams: lane(
                Kind::Stream,
                Order::StartStreamThread,
                stream_threads,
                "python-streams",
            ),
        }
    }
}

/// The threads and the work that waits for one. Clones are handles to the same threads.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Threads without work wait for this.
    work: Condvar,
    main: MainThread,
    kind: Kind,
    /// Starts a thread of this lane.
    order: Order,
    most: usize,
    meter: Arc<LaneMeter>,
    at_work: AtWork,
}

#[derive(Default)]
struct State {
    /// The jobs that wait, in the order of their numbers.
    queue: VecDeque<Job>,
    /// Iterables that are to be closed. They go first, and are closed even at the end.
    closes: VecDeque<Job>,
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
    /// Later work is dropped.
    is_closed: bool,
    /// All threads end.
    has_ended: bool,
}

/// Work that waits for a thread of the lane.
struct Job {
    number: u64,
    work: Work,
    waiting: GaugeGuard,
    /// Nobody else waits for the result of this work, which runs nevertheless.
    _wanted: Option<Done<()>>,
}

impl Lane {
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

    /// Queues `work` for this request at once, and resolves to its result. The work is called with
    /// the interpreter.
    ///
    /// If the future is dropped, work that has not begun is removed from the queue. Other work runs
    /// to its end, and its result is dropped.
    ///
    /// # Errors
    /// By code: `NO_WORKER` if no thread could be started or the server has ended, and `PANICKED`.
    pub(crate) fn run<T, F>(
        &self,
        asked: &Arc<Asked>,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(Python<'_>) -> T + Send + 'static,
    {
        let (work, done) = self.work_for(asked, work);
        let queued = self.queue(work);
        async move {
            let _queued = queued;
            done.await
        }
    }

    /// Closes the iterable of this request in a thread of the lane, ahead of all work. Once the
    /// lane has no thread any more, it is dropped, and the log says so.
    pub(crate) fn close(
        &self,
        asked: &Arc<Asked>,
        close: impl FnOnce(Python<'_>) + Send + 'static,
    ) {
        let (work, done) = self.work_for(asked, close);
        self.push(work, Some(done));
    }

    /// Records what the stream on this thread waits for from now on.
    pub(crate) fn step(&self, step: Step) {
        self.0.at_work.step(step);
    }

    fn work_for<T: Send + 'static>(
        &self,
        asked: &Arc<Asked>,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> (Work, Done<T>) {
        let at_work = self.0.at_work.clone();
        let asked = Arc::clone(asked);
        Work::new(move || {
            let _calling = at_work.begin(&asked);
            Python::attach(work)
        })
    }

    /// Queues `work`. It is dropped at once if the server has ended.
    fn queue(&self, work: Work) -> Queued {
        Queued {
            lane: self.clone(),
            number: self.push(work, None),
        }
    }

    /// Queues a job, ahead of all others if it is `wanted` by nobody else. Returns its number.
    fn push(&self, work: Work, wanted: Option<Done<()>>) -> u64 {
        let shared = &*self.0;
        let is_close = wanted.is_some();
        let mut state = shared.lock();
        let number = state.next;
        state.next += 1;
        let job = Job {
            number,
            work,
            waiting: GaugeGuard::new(&shared.meter.waiting, 1),
            _wanted: wanted,
        };
        if state.drops(is_close) {
            drop(state);
            drop(job);
            if is_close {
                warn_unclosed(1);
            }
            return number;
        }
        if is_close {
            state.closes.push_back(job);
        } else {
            state.queue.push_back(job);
        }
        let missing = state.request_threads(shared.most);
        drop(state);
        self.order_threads(missing);
        shared.work.notify_one();
        number
    }

    /// Runs work on this thread until the lane has been idle for a while, or the server ends.
    pub(crate) fn work(&self, number: usize) {
        let shared = &*self.0;
        let kind = shared.kind;
        THREAD.set(Some(Thread { kind, number }));
        let mut state = shared.lock();
        state.starting = state.starting.saturating_sub(1);
        drop(state);
        while let Some(job) = self.next() {
            drop(job.waiting);
            job.work.run(GaugeGuard::new(&shared.meter.running, 1));
        }
        THREAD.set(None);
    }

    /// Waits for the next work of this thread. Returns `None` if the thread is to end.
    fn next(&self) -> Option<Job> {
        let shared = &*self.0;
        let mut state = shared.lock();
        loop {
            if let Some(job) = state.pop() {
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
            if time.timed_out() && state.is_empty() {
                break;
            }
        }
        // `threads` can be one too low: an order is repeated if an exception interrupts it.
        state.threads = state.threads.saturating_sub(1);
        None
    }

    /// Orders the threads that [`State::request_threads`] has counted.
    fn order_threads(&self, count: usize) {
        if let Err(error) = self.0.main.order(self.0.order, count) {
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
        let (lost, unclosed) = match state.threads {
            0 => (
                std::mem::take(&mut state.queue),
                std::mem::take(&mut state.closes),
            ),
            _ => Default::default(),
        };
        drop(state);
        warn_unclosed(unclosed.len());
        // Without the lock: the drop of a stream queues its close, which requests a thread.
        drop(lost);
    }

    /// Lets all threads end after their current work, and drops all other work but closes.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let lost = std::mem::take(&mut state.queue);
        drop(state);
        // Streams that have not begun queue their closes, for threads that have not ended yet.
        drop(lost);
        self.0.lock().has_ended = true;
        self.0.work.notify_all();
    }
}

fn warn_unclosed(count: usize) {
    if count > 0 {
        tracing::warn!("iterables that no thread is left to close: {count}");
    }
}

/// A place in the queue. It is returned when it is dropped, or when its work begins.
pub(crate) struct LanePlace(Lane);

impl LanePlace {
    /// Queues `work`, like [`Lane::run`].
    ///
    /// # Errors
    /// Those of [`Lane::run`].
    pub(crate) fn run<T, F>(
        self,
        asked: &Arc<Asked>,
        work: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(Python<'_>) -> T + Send + 'static,
    {
        let lane = self.0.clone();
        lane.run(asked, move |py| {
            drop(self);
            work(py)
        })
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
    /// Returns whether a new job is dropped, because no thread would take it.
    fn drops(&self, is_close: bool) -> bool {
        match is_close {
            true => self.has_ended || (self.is_closed && self.threads == 0),
            false => self.is_closed,
        }
    }

    fn pop(&mut self) -> Option<Job> {
        self.closes.pop_front().or_else(|| self.queue.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.closes.is_empty() && self.queue.is_empty()
    }

    /// Returns the number of further threads that the queue needs, up to the bound. The caller
    /// orders them. They are counted here.
    fn request_threads(&mut self, most: usize) -> usize {
        if self.is_closed {
            return 0;
        }
        let served = self.idle + self.starting;
        let room = most.saturating_sub(self.threads);
        let waiting = self.queue.len() + self.closes.len();
        let missing = waiting.saturating_sub(served).min(room);
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
