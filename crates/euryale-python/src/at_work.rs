//! The calls of the application that have begun.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use euryale::Request;
use http::{Method, Uri};

thread_local! {
    /// The number of this worker thread.
    pub(crate) static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    /// The number that the kernel has given to this thread, once it was asked.
    static NATIVE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The calls of the application that have begun, by the number of their thread.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<BTreeMap<usize, Call>>>);

struct Call {
    method: Method,
    uri: Uri,
    since: Instant,
    native: Option<u32>,
    /// Its overrun was noticed, but its stack has not been written.
    is_noticed: bool,
    is_written: bool,
}

/// A running call, for people.
#[derive(Clone, Debug)]
pub(crate) struct RunningCall {
    /// The number of its thread.
    pub(crate) number: usize,
    /// The method and the path of its request.
    pub(crate) request: String,
    pub(crate) age: Duration,
    native: Option<u32>,
}

impl AtWork {
    /// Records that this thread calls the application for `request`, until the guard is dropped.
    pub(crate) fn begin(&self, request: &Request) -> Calling<'_> {
        if let Some(number) = NUMBER.get() {
            // Copies of handles: the text is made when somebody asks for it.
            let call = Call {
                method: request.method().clone(),
                uri: request.uri().clone(),
                since: Instant::now(),
                native: native(),
                is_noticed: false,
                is_written: false,
            };
            self.change(|calls| calls.insert(number, call));
        }
        Calling(self)
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<usize, Call>) -> T) -> T {
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

    /// Returns the calls that have run for longer than `limit`.
    pub(crate) fn overdue(&self, limit: Duration) -> Vec<RunningCall> {
        let mut calls = self.list();
        calls.retain(|call| call.age > limit);
        calls
    }

    /// Returns whether a call has run for longer than `limit` that was not noticed before.
    pub(crate) fn notices_overdue(&self, limit: Duration) -> bool {
        self.change(|calls| {
            let overdue = calls
                .values_mut()
                .filter(|call| !call.is_noticed && call.since.elapsed() > limit);
            overdue.map(|call| call.is_noticed = true).count() > 0
        })
    }

    /// Returns the calls whose overrun was noticed, each once.
    pub(crate) fn take_noticed(&self) -> Vec<RunningCall> {
        self.change(|calls| {
            let noticed = calls
                .iter_mut()
                .filter(|(_, call)| call.is_noticed && !call.is_written);
            let taken = noticed.map(|(number, call)| {
                call.is_written = true;
                call.running(*number)
            });
            taken.collect()
        })
    }
}

impl Call {
    fn running(&self, number: usize) -> RunningCall {
        RunningCall {
            number,
            request: format!("{} {}", self.method, self.uri.path()),
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

    /// Returns its thread as tools outside the interpreter show it, and whether that sleeps.
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

/// Its thread, its request, and how long it has run.
impl fmt::Display for RunningCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.thread();
        let age = self.age.as_secs_f64();
        write!(f, "{thread} has run {} for {age:.1} s", self.request)
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
