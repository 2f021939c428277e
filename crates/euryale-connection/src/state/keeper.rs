//! The state of the housekeeping task, which is part of the pool's state.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// If the task is late by this much, its runtime is no longer being driven.
const LOST: Duration = Duration::from_secs(5);

/// The running task, if there is one.
#[derive(Default)]
pub(crate) struct Keeper {
    shift: Option<Shift>,
    is_off: bool,
}

/// One run of the task.
struct Shift {
    /// The time of the next check.
    due: Instant,
    /// The notifier that wakes the task and identifies it.
    woken: Arc<Notify>,
}

/// The action that makes the task check in time.
#[must_use]
pub(crate) enum Call {
    Nobody,
    /// Start a task, which sleeps until the given time.
    Start(Arc<Notify>, Instant),
    /// Wake the task, which would sleep for too long.
    Wake(Arc<Notify>),
}

impl Keeper {
    /// Records that something is due at this time.
    pub(super) fn expect(&mut self, due: Instant, now: Instant) -> Call {
        match &mut self.shift {
            Some(shift) if now.saturating_duration_since(shift.due) < LOST => {
                if due >= shift.due {
                    return Call::Nobody;
                }
                shift.due = due;
                Call::Wake(Arc::clone(&shift.woken))
            }
            _ if self.is_off => Call::Nobody,
            shift => {
                let woken = Arc::new(Notify::new());
                *shift = Some(Shift {
                    due,
                    woken: Arc::clone(&woken),
                });
                Call::Start(woken, due)
            }
        }
    }

    /// Returns whether this is the run of the task that this notifier wakes.
    pub(crate) fn is_on(&self, woken: &Arc<Notify>) -> bool {
        self.shift
            .as_ref()
            .is_some_and(|shift| Arc::ptr_eq(&shift.woken, woken))
    }

    /// Records that the task checks again at this time, or ends if it is `None`.
    pub(crate) fn sleep(&mut self, until: Option<Instant>, woken: &Arc<Notify>) {
        self.shift = until.map(|due| Shift {
            due,
            woken: Arc::clone(woken),
        });
    }

    /// Records that the task has ended. With `for_good`, another one would fail as well.
    pub(crate) fn end(&mut self, for_good: bool) {
        self.shift = None;
        self.is_off = for_good;
    }

    /// Returns the notifier of the task, if there is one.
    pub(super) fn woken(&self) -> Option<Arc<Notify>> {
        self.shift.as_ref().map(|shift| Arc::clone(&shift.woken))
    }
}
