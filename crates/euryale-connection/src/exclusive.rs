//! Lets one job run alone: the others of its pool do not begin until it has ended.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Passed by each worker before its job and after it.
///
/// A job that must wait holds its worker meanwhile. That costs nothing, because no other job may
/// begin in its place. Every wait is bounded, so a job that hangs never stops its pool.
pub(crate) struct Exclusion {
    /// The number of jobs inside, and [`ALONE`] while one of them is exclusive.
    inside: AtomicUsize,
    changes: Mutex<()>,
    changed: Condvar,
    /// The maximum time of each wait.
    patience: Duration,
}

/// Set while an exclusive job waits for the others to end, and while it runs.
const ALONE: usize = 1 << (usize::BITS - 1);

/// A job that has begun.
pub(crate) struct Inside<'e> {
    exclusion: &'e Exclusion,
    is_exclusive: bool,
    /// No other job ran when this one began.
    pub(crate) is_alone: bool,
}

impl Exclusion {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            inside: AtomicUsize::new(0),
            changes: Mutex::new(()),
            changed: Condvar::new(),
            patience,
        }
    }

    /// A job begins, after an exclusive one has ended.
    pub(crate) fn enter(&self) -> Inside<'_> {
        let inside = Inside {
            exclusion: self,
            is_exclusive: false,
            is_alone: false,
        };
        if self.inside.fetch_add(1, Ordering::AcqRel) & ALONE == 0 {
            return inside;
        }
        self.change(|inside| inside - 1);
        if !self.wait(|inside| (inside & ALONE == 0).then_some(inside + 1)) {
            self.change(|inside| inside + 1);
        }
        inside
    }

    /// An exclusive job begins, after all others have ended.
    pub(crate) fn enter_alone(&self) -> Inside<'_> {
        // Another exclusive job goes first.
        let is_first = self.wait(|inside| (inside & ALONE == 0).then_some((inside + 1) | ALONE));
        if !is_first {
            self.change(|inside| inside + 1);
        }
        let is_alone = is_first && self.wait(|inside| (inside == ALONE + 1).then_some(inside));
        Inside {
            exclusion: self,
            is_exclusive: is_first,
            is_alone,
        }
    }

    /// Waits until `step` returns the next state, which is stored. Returns false, and changes
    /// nothing, if that does not happen in time.
    fn wait(&self, step: impl Fn(usize) -> Option<usize>) -> bool {
        let until = Instant::now().checked_add(self.patience);
        let mut changes = self.lock();
        loop {
            let stepped = self
                .inside
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, &step);
            if stepped.is_ok() {
                return true;
            }
            let left = until.map_or(self.patience, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            changes = self
                .changed
                .wait_timeout(changes, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn change(&self, change: impl Fn(usize) -> usize) {
        let before = self
            .inside
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |inside| {
                Some(change(inside))
            });
        if before.is_ok_and(|inside| inside & ALONE != 0) {
            // A waiting job has checked before, or waits already.
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.is_exclusive {
            self.exclusion.change(|inside| (inside - 1) & !ALONE);
        } else {
            self.exclusion.change(|inside| inside - 1);
        }
    }
}
