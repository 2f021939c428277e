//! Lets workers call the application one at a time, as long as the call needs the GIL.
//!
//! Two threads that contend for the GIL are slower than one, and unfair: the thread that ends a
//! request gets the GIL again before the other has woken up. So a worker does not take a job while
//! another one runs Python code. The jobs stay in the pool's queue, and the running worker takes
//! them one after the other. As soon as it waits for something other than the GIL, such as a
//! socket, a lock or the clock, the next worker is let in.
//!
//! # Rules
//!
//! A worker is *inside* from the time at which it may take a job until it leaves. Another one is
//! let in once each worker inside either
//!
//! * waits for something other than the GIL,
//! * computes without the GIL, which a probe detects, or
//! * has been in its call for [`LONG`], whatever it does: application code may wait for another
//!   request in a loop.
//!
//! A worker that waits for the GIL has precedence, but for at most [`LONG`]. So no worker waits
//! here for longer than [`LONG`] while the others do not end their calls, and no order of locks in
//! an application leads to a deadlock that contending threads would not have.
//!
//! The pool starts one worker at a time, so at most one thread waits here. It checks the others at
//! intervals that grow from [`FIRST_LOOK`] to [`LAST_LOOK`], because there is no notification when
//! a thread releases the GIL.

mod gil;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use self::gil::Gil;
use self::watch::{Doing, Watch};

/// The time after which a call no longer keeps other workers out.
const LONG: Duration = Duration::from_millis(100);

/// The time between the first two checks of the others, which is doubled for each further one.
const FIRST_LOOK: Duration = Duration::from_micros(50);

/// The maximum time between two checks.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// The time for which a call runs before a probe checks whether it holds the GIL, and the time
/// between two probes. A probe costs a call that holds the GIL one switch of threads.
const PROBE: Duration = Duration::from_millis(10);

/// A call is probed after it was seen to run this many times in a row, because a thread that waits
/// for the GIL wakes up from time to time.
const STEADY: u32 = 3;

/// The workers of a server.
pub(crate) struct Turns {
    /// `None` if other threads cannot be observed or the setting is off, so that all workers are
    /// let in.
    gil: Option<Gil>,
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Default)]
struct Inside {
    calls: BTreeMap<usize, Call>,
    /// The number of workers that have been let in.
    entered: u64,
}

/// A worker that is inside, and its current call.
struct Call {
    watch: Arc<Watch>,
    /// Distinguishes this call from the next one.
    number: u64,
    since: Instant,
    /// Whether the call needs the GIL, as far as is known.
    keeps_out: bool,
    /// The call was waiting for something else, and is not checked again until this time.
    waits_until: Option<Instant>,
}

/// The result of one check of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Free,
    /// A worker waits for the GIL, and has precedence.
    GilIsWanted,
    /// This call has been running since this time.
    Runs {
        number: u64,
        since: Instant,
    },
}

impl Turns {
    pub(crate) fn new(gil: Option<Gil>) -> Self {
        Self {
            gil,
            inside: Mutex::default(),
            left: Condvar::new(),
        }
    }

    /// Returns the watch by which others observe this thread. The thread keeps it while it works.
    pub(crate) fn watch(&self) -> Option<Arc<Watch>> {
        self.gil.as_ref()?;
        Watch::of_this_thread().ok().map(Arc::new)
    }

    /// Waits until this worker may take a job, and is inside from then on.
    pub(crate) fn wait(&self, worker: usize, watch: Option<&Arc<Watch>>) {
        let (Some(gil), Some(watch)) = (&self.gil, watch) else {
            return;
        };
        let mut pause = FIRST_LOOK;
        let mut wanted_since = None;
        let mut probed = None;
        let mut runs = 0;
        loop {
            let now = Instant::now();
            match self.look(gil, worker, now) {
                Found::Free => return self.enter(worker, watch, now),
                Found::GilIsWanted => {
                    runs = 0;
                    let since: Instant = *wanted_since.get_or_insert(now);
                    if now.saturating_duration_since(since) > LONG {
                        return self.enter(worker, watch, now);
                    }
                }
                Found::Runs { number, since } => {
                    runs += 1;
                    let probed_last = probed.filter(|probe: &Instant| *probe > since);
                    let waited = now.saturating_duration_since(probed_last.unwrap_or(since));
                    if runs >= STEADY {
                        wanted_since = None;
                    }
                    if runs >= STEADY && waited > PROBE {
                        if gil.is_free() {
                            self.lets_in(number);
                            continue;
                        }
                        probed = Some(Instant::now());
                    }
                }
            }
            let inside = self.inside();
            let waited = self.left.wait_timeout(inside, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    /// Returns whether this worker, which has ended a call, may take another job. If not, it has
    /// left.
    pub(crate) fn goes_on(&self, worker: usize) -> bool {
        let Some(gil) = &self.gil else {
            return true;
        };
        let now = Instant::now();
        {
            let mut inside = self.inside();
            let number = inside.count();
            let is_alone = inside.calls.len() == 1;
            let Some(call) = inside.calls.get_mut(&worker) else {
                return true;
            };
            call.number = number;
            call.since = now;
            call.keeps_out = true;
            call.waits_until = None;
            if is_alone {
                return true;
            }
        }
        let goes_on = self.look(gil, worker, now) == Found::Free;
        if !goes_on {
            self.leave(worker);
        }
        goes_on
    }

    /// Records that this worker takes no more jobs for now.
    pub(crate) fn leave(&self, worker: usize) {
        if self.inside().calls.remove(&worker).is_some() {
            self.left.notify_one();
        }
    }

    /// Ends the prober after the workers have ended. The caller must not hold the GIL.
    pub(crate) fn end(&self) {
        if let Some(gil) = &self.gil {
            gil.end();
        }
    }

    fn enter(&self, worker: usize, watch: &Arc<Watch>, now: Instant) {
        let mut inside = self.inside();
        let call = Call {
            watch: Arc::clone(watch),
            number: inside.count(),
            since: now,
            keeps_out: true,
            waits_until: None,
        };
        inside.calls.insert(worker, call);
    }

    /// Records that this call does not need the GIL.
    fn lets_in(&self, number: u64) {
        let mut inside = self.inside();
        let calls = inside.calls.values_mut();
        for call in calls.filter(|call| call.number == number) {
            call.keeps_out = false;
        }
    }

    /// Checks all other workers that are inside, until one keeps others out.
    fn look(&self, gil: &Gil, worker: usize, now: Instant) -> Found {
        let others: Vec<(usize, u64, Arc<Watch>)> = {
            let inside = self.inside();
            let others = inside.calls.iter().filter(|(other, call)| {
                **other != worker && call.waits_until.is_none_or(|until| until < now)
            });
            others
                .map(|(other, call)| (*other, call.number, Arc::clone(&call.watch)))
                .collect()
        };
        for (other, number, watch) in others {
            // The lock is not held here, because each worker needs it between two jobs.
            let doing = watch.look(gil);
            let mut inside = self.inside();
            let call = inside.calls.get_mut(&other);
            let Some(call) = call.filter(|call| call.number == number) else {
                // The worker has ended this call. The next check sees its new state.
                return Found::Runs { number, since: now };
            };
            match doing {
                Doing::WaitsForGil => return Found::GilIsWanted,
                Doing::Waits => call.waits_until = Some(now + LAST_LOOK),
                Doing::Runs if !call.keeps_out => {}
                Doing::Runs if now.saturating_duration_since(call.since) > LONG => {}
                Doing::Runs => {
                    let since = call.since;
                    return Found::Runs { number, since };
                }
            }
        }
        Found::Free
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn count(&mut self) -> u64 {
        self.entered += 1;
        self.entered
    }
}
