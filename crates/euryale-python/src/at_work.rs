//! The calls of the application that have begun.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::answers::Asked;

thread_local! {
    /// The number of this worker thread.
    pub(crate) static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    /// The number that the kernel has given to this thread, once it was asked.
    static NATIVE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The calls of the application that have begun, by the number of their thread.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<BTreeMap<usize, Begun>>>);

struct Begun {
    asked: Arc<Asked>,
    since: Instant,
    native: Option<u32>,
    notice: Notice,
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
    /// The number of its thread.
    pub(crate) number: usize,
    pub(crate) asked: Arc<Asked>,
    pub(crate) age: Duration,
    native: Option<u32>,
}

impl AtWork {
    /// Records that this thread calls the application for this request, until the guard is dropped.
    pub(crate) fn begin(&self, asked: &Arc<Asked>) -> Calling<'_> {
        if let Some(number) = NUMBER.get() {
            let call = Begun {
                asked: Arc::clone(asked),
                since: Instant::now(),
                native: native(),
                notice: Notice::None,
            };
            self.change(|calls| calls.insert(number, call));
        }
        Calling(self)
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<usize, Begun>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns all running calls.
    pub(crate) fn list(&self) -> Vec<RunningCall> {
        self.change(|calls| {
            let running = calls.iter();
            running
                .map(|(number, call)| call.running(*number))
                .collect()
        })
    }

    /// Returns the number of calls that have run for longer than `limit`.
    pub(crate) fn count_overdue(&self, limit: Duration) -> usize {
        self.change(|calls| {
            let overdue = calls.values().filter(|call| call.since.elapsed() > limit);
            overdue.count()
        })
    }

    /// Returns whether a call has run for longer than `limit` that was not noticed before.
    pub(crate) fn notices_overdue(&self, limit: Duration) -> bool {
        self.change(|calls| {
            let overdue = calls
                .values_mut()
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
            let taken = noticed.map(|(number, call)| {
                call.notice = Notice::StackWritten;
                call.running(*number)
            });
            taken.collect()
        })
    }
}

impl Begun {
    fn running(&self, number: usize) -> RunningCall {
        RunningCall {
            number,
            asked: Arc::clone(&self.asked),
            age: self.since.elapsed(),
            native: self.native,
        }
    }
}

impl RunningCall {
    /// Returns the name of its thread.
    pub(crate) fn thread(&self) -> String {
        format!("euryale-{}", self.number)
    }

    /// Returns which request it has run, and for how long.
    pub(crate) fn doing(&self) -> String {
        let seconds = self.age.as_secs_f64();
        format!("has run {} for {seconds:.1} s", self.asked)
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
        write!(f, "{} {}", self.thread(), self.doing())
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
        if let Some(number) = NUMBER.get() {
            self.0.change(|calls| calls.remove(&number));
        }
    }
}
