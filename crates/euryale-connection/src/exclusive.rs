//! Lets one job run alone: the others of its pool do not begin until it has ended.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Passed by each worker before its job and after it.
///
/// A waiting job holds its worker. That costs nothing, because no other job may begin in its place.
/// Every wait is bounded, so a job that hangs never stops its pool.
pub(crate) struct Exclusion {
    /// The number of jobs inside, with [`ALONE`] and [`INTRUDED`].
    inside: AtomicUsize,
    changes: Mutex<()>,
    changed: Condvar,
    /// The maximum time of each wait.
    patience: Duration,
}

/// Set while an exclusive job waits for the others to end, and while it runs.
const ALONE: usize = 1 << (usize::BITS - 1);

/// Set once another job has begun beside the exclusive one, because it had waited for too long.
const INTRUDED: usize = ALONE >> 1;

/// A job that has begun.
pub(crate) struct Inside<'e> {
    exclusion: &'e Exclusion,
    is_exclusive: bool,
    /// No other job ran when this one began.
    began_alone: bool,
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

    /// A job begins, after an exclusive one has ended. At `until` it no longer waits.
    pub(crate) fn enter(&self, until: Option<Instant>) -> Inside<'_> {
        let inside = Inside {
            exclusion: self,
            is_exclusive: false,
            began_alone: false,
        };
        if self.inside.fetch_add(1, Ordering::AcqRel) & ALONE == 0 {
            return inside;
        }
        self.change(|inside| inside - 1);
        if !self.wait(until, |inside| (inside & ALONE == 0).then_some(inside + 1)) {
            self.intrude();
        }
        inside
    }

    /// An exclusive job begins, after all others have ended. At `until` it no longer waits.
    pub(crate) fn enter_alone(&self, until: Option<Instant>) -> Inside<'_> {
        // Another exclusive job goes first.
        let free = |inside| (inside & ALONE == 0).then_some((inside + 1) | ALONE);
        let is_exclusive = self.wait(until, free);
        if !is_exclusive {
            self.intrude();
        }
        // Jobs that have intruded before this one begins may have ended again.
        let empty = |inside| (inside & !INTRUDED == ALONE + 1).then_some(ALONE + 1);
        Inside {
            exclusion: self,
            is_exclusive,
            began_alone: is_exclusive && self.wait(until, empty),
        }
    }

    /// A job begins although an exclusive one has not ended.
    fn intrude(&self) {
        self.change(|inside| match inside & ALONE {
            0 => inside + 1,
            _ => (inside + 1) | INTRUDED,
        });
    }

    /// Waits until `step` returns the next state, which is stored. Returns false, and changes
    /// nothing, if that does not happen in time.
    fn wait(&self, until: Option<Instant>, step: impl Fn(usize) -> Option<usize>) -> bool {
        let patient = Instant::now().checked_add(self.patience);
        let until = [patient, until].into_iter().flatten().min();
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

impl Inside<'_> {
    /// Whether no other job has run beside this one so far.
    pub(crate) fn is_alone(&self) -> bool {
        let inside = self.exclusion.inside.load(Ordering::Acquire);
        self.began_alone && inside & INTRUDED == 0
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.is_exclusive {
            self.exclusion
                .change(|inside| (inside - 1) & !(ALONE | INTRUDED));
        } else {
            self.exclusion.change(|inside| inside - 1);
        }
    }
}
