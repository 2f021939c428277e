//! Workers that run on Python's threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use euryale::connection::{PoolWorker, StartWorker};

use crate::at_work::{AtWork, Kind, THREAD, Thread};
use crate::main_thread::{MainThread, Order};
use crate::turns::{Inside, Lookout, Watch};

/// The threads, and the pool's workers that wait for one. Clones are handles to the same threads.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Threads without work wait for this.
    work: Condvar,
    /// The lookout waits for this, or for the time of its next look.
    lookout: Condvar,
    /// Whether one worker runs at a time as long as it computes.
    take_turns: bool,
    main: MainThread,
    /// The wanted number of threads.
    wanted: AtomicUsize,
    at_work: AtWork,
}

#[derive(Default)]
struct State {
    /// Workers of the pool that no thread runs yet.
    waiting: VecDeque<PoolWorker>,
    /// The workers that run, if they take turns.
    inside: Inside,
    /// One idle thread looks at those inside.
    has_lookout: bool,
    /// The number of threads that wait for work, other than the lookout.
    idle: usize,
    /// The number of threads that are to end.
    surplus: usize,
    /// All threads end, and later workers are dropped.
    has_ended: bool,
}

impl Threads {
    pub(crate) fn new(main: &MainThread, take_turns: bool) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            lookout: Condvar::new(),
            take_turns,
            main: main.clone(),
            wanted: AtomicUsize::new(0),
            at_work: AtWork::default(),
        }))
    }

    /// Runs jobs on this thread until the server ends or wants fewer threads.
    pub(crate) fn work(&self, number: usize) {
        let shared = &*self.0;
        let watch = shared.take_turns.then(Watch::of_this_thread);
        let watch = watch.and_then(|watch| watch.inspect_err(|error| cannot_see(error)).ok());
        let watch = watch.map(Arc::new);
        let kind = Kind::Worker;
        THREAD.set(Some(Thread { kind, number }));
        while let Some(worker) = shared.next(number, watch.as_ref()) {
            let _inside = InsideGuard { shared, number };
            worker.run();
        }
        THREAD.set(None);
    }

    /// Called if there will be no threads: drops the workers that wait for a thread, and all later
    /// ones, so that the pool refuses their jobs.
    pub(crate) fn refuse(&self) {
        self.0.end();
    }

    /// Lets all threads end after their current jobs.
    pub(crate) fn dismiss(&self) {
        self.0.wanted.store(0, Ordering::Release);
        self.0.end();
    }

    /// Records that there is one thread fewer than was requested. Returns the number of threads
    /// that are left, or `None` if the thread was no longer wanted.
    pub(crate) fn lose_thread(&self) -> Option<usize> {
        let fewer = |wanted: usize| wanted.checked_sub(1);
        let had = self
            .0
            .wanted
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
        had.ok().map(|had| had - 1)
    }

    pub(crate) fn at_work(&self) -> &AtWork {
        &self.0.at_work
    }
}

fn cannot_see(error: &str) {
    tracing::warn!("others wait up to 5 ms for a worker that cannot be seen: {error}");
}

impl Shared {
    /// Waits for the next worker to run on this thread, which is inside from then on. Returns
    /// `None` if the thread is to end.
    fn next(&self, number: usize, watch: Option<&Arc<Watch>>) -> Option<PoolWorker> {
        let mut state = self.lock();
        // While this thread is the lookout.
        let mut lookout: Option<Lookout> = None;
        let worker = loop {
            if state.has_ended {
                break None;
            }
            if state.surplus > 0 {
                state.surplus -= 1;
                break None;
            }
            if state.waiting.is_empty() {
                if lookout
                    .as_mut()
                    .is_none_or(|lookout| !lookout.is_needed(&state.inside))
                {
                    state.has_lookout &= lookout.take().is_none();
                }
            } else if !self.take_turns || state.inside.is_empty() {
                break state.waiting.pop_front();
            } else if lookout.is_some() || !state.has_lookout {
                state.has_lookout = true;
                if lookout.get_or_insert_default().lets_in(&mut state.inside) {
                    break state.waiting.pop_front();
                }
            }
            state = self.pause(state, lookout.is_some());
        };
        state.has_lookout &= lookout.is_none();
        if worker.is_some() && self.take_turns {
            state.inside.enter(number, watch);
        }
        if worker.is_none() && !state.waiting.is_empty() {
            // This thread may have been the one that was woken for it.
            self.work.notify_one();
        }
        worker
    }

    /// Waits until there may be something to do.
    fn pause<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        is_lookout: bool,
    ) -> MutexGuard<'s, State> {
        if is_lookout {
            let pause = state.inside.pause();
            let waited = self.lookout.wait_timeout(state, pause);
            return waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.idle += 1;
        let waited = self.work.wait(state);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }

    fn end(&self) {
        let waiting = {
            let mut state = self.lock();
            state.has_ended = true;
            std::mem::take(&mut state.waiting)
        };
        self.wake_all();
        // Without the lock: the pool may start another worker for the jobs.
        drop(waiting);
    }

    fn wake_all(&self) {
        self.work.notify_all();
        self.lookout.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that runs a worker.
struct InsideGuard<'a> {
    shared: &'a Shared,
    number: usize,
}

impl Drop for InsideGuard<'_> {
    fn drop(&mut self) {
        if self.shared.take_turns {
            self.shared.lock().inside.leave(self.number);
        }
    }
}

impl StartWorker for Threads {
    fn start(&self, worker: PoolWorker) {
        let mut state = self.0.lock();
        if state.has_ended {
            drop(state);
            return;
        }
        state.waiting.push_back(worker);
        let is_free = state.inside.is_empty();
        let has_lookout = state.has_lookout;
        let has_idle = state.idle > 0;
        drop(state);
        if has_idle && (is_free || !has_lookout) {
            self.0.work.notify_one();
        } else if has_lookout && is_free {
            self.0.lookout.notify_one();
        }
    }

    fn resize(&self, workers: usize) {
        let had = self.0.wanted.swap(workers, Ordering::AcqRel);
        self.0
            .main
            .tell(Order::StartThread, workers.saturating_sub(had));
        if workers < had {
            self.0.lock().surplus += had - workers;
            self.0.wake_all();
        }
    }

    fn goes_on(&self) -> bool {
        if !self.0.take_turns {
            return true;
        }
        let Some(Thread { number, .. }) = THREAD.get() else {
            return true;
        };
        let mut state = self.0.lock();
        let goes_on = state.inside.goes_on(number);
        if !goes_on {
            state.inside.leave(number);
        }
        goes_on
    }
}
