//! The calls of the application that have begun, in workers and in lanes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::answers::Asked;

thread_local! {
    /// Which of the server's Python threads this is.
    pub(crate) static THREAD: Cell<Option<Thread>> = const { Cell::new(None) };
    /// The number that the kernel has given to this thread, once it was asked.
    static NATIVE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// What a Python thread of the server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Worker,
    /// It runs promises, deferred answers and calls after commits.
    Lane,
    Stream,
}

/// A Python thread of the server. Its text is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Thread {
    pub(crate) kind: Kind,
    /// Its number among those of its kind.
    pub(crate) number: usize,
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Worker => "euryale",
            Kind::Lane => "euryale-lane",
            Kind::Stream => "euryale-stream",
        };
        write!(f, "{name}-{}", self.number)
    }
}

/// The calls of the application that have begun, by their thread.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<BTreeMap<Thread, Begun>>>);

struct Begun {
    asked: Arc<Asked>,
    since: Instant,
    native: Option<u32>,
    notice: Notice,
    step: Option<(Step, Instant)>,
}

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The iterable makes its next block.
    Making,
    /// The block is written, and may wait for the client.
    Sending,
}

/// Whether the overrun of a call was noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// There is none, or it was not noticed yet.
    None,
    /// It was noticed, and the call's stack is to be written.
    StackDue,
    StackWritten,
}

/// A running call, for people.
pub(crate) struct RunningCall {
    pub(crate) thread: Thread,
    pub(crate) asked: Arc<Asked>,
    pub(crate) age: Duration,
    native: Option<u32>,
    /// What a stream waits for, and for how long.
    step: Option<(Step, Duration)>,
}

impl AtWork {
    /// Records that this thread calls the application for this request, until the guard is dropped.
    pub(crate) fn begin(&self, asked: &Arc<Asked>) -> Calling<'_> {
        if let Some(thread) = THREAD.get() {
            let call = Begun {
                asked: Arc::clone(asked),
                since: Instant::now(),
                native: native(),
                notice: Notice::None,
                step: None,
            };
            self.change(|calls| calls.insert(thread, call));
        }
        Calling(self)
    }

    /// Records what the stream on this thread waits for from now on.
    pub(crate) fn step(&self, step: Step) {
        if let Some(thread) = THREAD.get() {
            self.change(|calls| {
                if let Some(call) = calls.get_mut(&thread) {
                    call.step = Some((step, Instant::now()));
                }
            });
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Thread, Begun>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns all running calls.
    pub(crate) fn list(&self) -> Vec<RunningCall> {
        self.change(|calls| {
            let running = calls.iter();
            running
                .map(|(thread, call)| call.running(*thread))
                .collect()
        })
    }

    /// Returns the number of workers whose calls have run for longer than `limit`.
    pub(crate) fn count_overdue(&self, limit: Duration) -> usize {
        self.change(|calls| {
            let overdue = workers(calls).filter(|call| call.since.elapsed() > limit);
            overdue.count()
        })
    }

    /// Returns whether a worker's call has run for longer than `limit` that was not noticed before.
    pub(crate) fn notices_overdue(&self, limit: Duration) -> bool {
        self.change(|calls| {
            let overdue = workers(calls)
                .filter(|call| call.notice == Notice::None && call.since.elapsed() > limit);
            overdue.map(|call| call.notice = Notice::StackDue).count() > 0
        })
    }

    /// Returns the calls whose overrun was noticed, each once.
    pub(crate) fn take_noticed(&self) -> Vec<RunningCall> {
        self.change(|calls| {
            let noticed = calls
                .iter_mut()
                .filter(|(_, call)| call.notice == Notice::StackDue);
            let taken = noticed.map(|(thread, call)| {
                call.notice = Notice::StackWritten;
                call.running(*thread)
            });
            taken.collect()
        })
    }
}

/// The calls in workers. Those in lanes may take as long as they want.
fn workers(calls: &mut BTreeMap<Thread, Begun>) -> impl Iterator<Item = &mut Begun> {
    let workers = calls
        .iter_mut()
        .filter(|(thread, _)| thread.kind == Kind::Worker);
    workers.map(|(_, call)| call)
}

impl Begun {
    fn running(&self, thread: Thread) -> RunningCall {
        RunningCall {
            thread,
            asked: Arc::clone(&self.asked),
            age: self.since.elapsed(),
            native: self.native,
            step: self.step.map(|(step, since)| (step, since.elapsed())),
        }
    }
}

impl RunningCall {
    /// Returns which request it has run, and for how long.
    pub(crate) fn doing(&self) -> String {
        let seconds = self.age.as_secs_f64();
        let run = format!("has run {} for {seconds:.1} s", self.asked);
        let Some((step, time)) = self.step else {
            return run;
        };
        let what = match step {
            Step::Making => "its next block has taken",
            Step::Sending => "its client has been waited for",
        };
        format!("{run}; {what} {:.1} s", time.as_secs_f64())
    }

    /// Returns its thread as tools outside the interpreter show it, and whether it sleeps.
    pub(crate) fn native(&self) -> Option<String> {
        let native = self.native?;
        let place = format!("/proc/self/task/{native}");
        let name = std::fs::read_to_string(format!("{place}/comm")).ok()?;
        let stat = std::fs::read_to_string(format!("{place}/stat")).ok()?;
        // The name is in parentheses and may contain some (`proc_pid_stat(5)`).
        let (_, rest) = stat.rsplit_once(')')?;
        let state = match rest.trim_start().chars().next()? {
            'R' => "computes",
            'D' | 'S' => "sleeps",
            _ => "is stopped",
        };
        Some(format!(
            "thread {native} ({}), which {state}",
            name.trim_end()
        ))
    }
}

/// Its thread, and what it does.
impl fmt::Display for RunningCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.thread, self.doing())
    }
}

/// Returns the number of this thread in the kernel.
fn native() -> Option<u32> {
    NATIVE.get().or_else(|| {
        let link = std::fs::read_link("/proc/thread-self").ok()?;
        let number = link.file_name()?.to_str()?.parse().ok()?;
        NATIVE.set(Some(number));
        Some(number)
    })
}

/// A call of the application on this thread.
pub(crate) struct Calling<'a>(&'a AtWork);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        if let Some(thread) = THREAD.get() {
            self.0.change(|calls| calls.remove(&thread));
        }
    }
}
