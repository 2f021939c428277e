//! Lets one job run alone: the others of its pool do not begin until it has ended.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A gate that each worker passes before and after a job.
///
/// A waiting job holds its worker. That costs nothing, because no other job may begin in its place.
/// Every wait is bounded, so a job that hangs never stops its pool.
pub(crate) struct Exclusion {
    /// The number of jobs inside, with [`ALONE`] and [`INTRUDED`].
    inside: AtomicUsize,
    changes: Mutex<()>,
    changed: Condvar,
    /// The maximum time that a job waits.
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

    /// Begins a job once no exclusive one is waiting or running, at the latest at `deadline`.
    pub(crate) fn enter(&self, deadline: Option<Instant>) -> Inside<'_> {
        let inside = Inside {
            exclusion: self,
            is_exclusive: false,
            began_alone: false,
        };
        if self.inside.fetch_add(1, Ordering::AcqRel) & ALONE == 0 {
            return inside;
        }
        self.leave();
        let until = self.until(deadline);
        if !self.wait(until, |inside| (inside & ALONE == 0).then_some(inside + 1)) {
            self.intrude();
        }
        inside
    }

    /// Begins an exclusive job once all others have ended, at the latest at `deadline`.
    pub(crate) fn enter_alone(&self, deadline: Option<Instant>) -> Inside<'_> {
        let until = self.until(deadline);
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

    /// The end of a wait that begins now. `None` is too far away to be represented.
    fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        let patient = Instant::now().checked_add(self.patience);
        [patient, deadline].into_iter().flatten().min()
    }

    /// Begins a job although an exclusive one has not ended.
    fn intrude(&self) {
        self.change(|inside| match inside & ALONE {
            0 => inside + 1,
            _ => (inside + 1) | INTRUDED,
        });
    }

    /// Waits until `step` returns the next state, which is stored. Returns false, and changes
    /// nothing, if that does not happen in time.
    fn wait(&self, until: Option<Instant>, step: impl Fn(usize) -> Option<usize>) -> bool {
        let mut changes = self.lock();
        loop {
            let stepped = self
                .inside
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, &step);
            if stepped.is_ok() {
                return true;
            }
            let left = until.map_or(Duration::MAX, |until| {
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

    /// Ends a job that is not exclusive, or that waits.
    fn leave(&self) {
        let before = self.inside.fetch_sub(1, Ordering::AcqRel);
        self.notify(before);
    }

    fn change(&self, change: impl Fn(usize) -> usize) {
        let step = |inside| Some(change(inside));
        let stepped = self
            .inside
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
        if let Ok(before) = stepped {
            self.notify(before);
        }
    }

    /// Lets waiting jobs look at the state, which was `before` a change. There are none unless a
    /// job was exclusive then.
    fn notify(&self, before: usize) {
        if before & ALONE != 0 {
            // Waiters check under this lock, so each of them sees the change or is waiting already.
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
            self.exclusion.leave();
        }
    }
}
