//! Records whether the last job that needed the database could reach it.

use std::sync::Mutex;
use std::sync::PoisonError;

#[derive(Debug, Default)]
pub(crate) struct Reach(Mutex<Outage>);

#[derive(Clone, Copy, Debug, Default)]
struct Outage {
    is_lost: bool,
    failures: u64,
}

impl Reach {
    pub(crate) fn is_lost(&self) -> bool {
        self.get().is_lost
    }

    /// Returns the number of failures so far.
    pub(crate) fn failures(&self) -> u64 {
        self.get().failures
    }

    pub(crate) fn failed(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_lost = true;
        state.failures += 1;
    }

    /// Records that the database was reached when there had been this many failures. This counts
    /// only if there has been no failure since.
    pub(crate) fn reached(&self, failures: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failures == failures {
            state.is_lost = false;
        }
    }

    fn get(&self) -> Outage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
