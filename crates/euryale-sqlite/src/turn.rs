//! Lets the writers of one process take turns.
//!
//! In SQLite a writer waits for another one by sleeping and polling, with pauses of up to 100 ms
//! (<https://www.sqlite.org/c3ref/busy_timeout.html>). A thread that has just committed can begin
//! its next transaction long before a sleeping writer polls, so sleeping writers starve. Here the
//! first writer in the queue is woken when the one before it has ended.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use euryale_core::transaction::Interrupt;

/// The interval at which a waiting writer checks whether it was stopped.
const LOOK: Duration = Duration::from_millis(20);

/// The queue of writers to one file; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    is_taken: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    thread: Thread,
    has_turn: AtomicBool,
}

impl Turns {
    /// Waits in a worker for its turn. Returns `None` if that takes longer than `patience` or is
    /// stopped.
    pub(crate) fn take(&self, patience: Duration, interrupt: &Interrupt) -> Option<Turn> {
        let mut line = self.lock();
        if !line.is_taken {
            line.is_taken = true;
            return Some(Turn(self.clone()));
        }
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            has_turn: AtomicBool::new(false),
        });
        line.waiting.push_back(Arc::clone(&waiter));
        drop(line);
        let began = Instant::now();
        while let Some(left) = patience
            .checked_sub(began.elapsed())
            .filter(|left| !left.is_zero())
        {
            thread::park_timeout(left.min(LOOK));
            if waiter.has_turn.load(Ordering::Acquire) {
                return Some(Turn(self.clone()));
            }
            if interrupt.is_set() {
                break;
            }
        }
        let mut line = self.lock();
        // The turn was passed to this writer in the last moment, and is used.
        if waiter.has_turn.load(Ordering::Acquire) {
            return Some(Turn(self.clone()));
        }
        line.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
        None
    }

    fn pass_on(&self) {
        let mut line = self.lock();
        let Some(next) = line.waiting.pop_front() else {
            line.is_taken = false;
            return;
        };
        next.has_turn.store(true, Ordering::Release);
        drop(line);
        next.thread.unpark();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns")
            .field("waiting", &self.lock().waiting.len())
            .finish_non_exhaustive()
    }
}

/// The turn of one writer. It passes to the next one when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Turns);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}
