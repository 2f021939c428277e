//! The outcome of an early answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{CLIENT_GONE, Error, ErrorChain, Level};
use crate::ledger::Ledger;

/// Whether an answer has left before the end of its job, and whether it broke off. Shared by the
/// job and the body: the one that first sees a failure logs and counts it.
#[derive(Clone, Default)]
pub struct EarlyRecord(Arc<Flags>);

#[derive(Default)]
struct Flags {
    has_left: AtomicBool,
    has_failed: AtomicBool,
}

impl EarlyRecord {
    /// Returns whether the answer has left. From then on no other answer, and no other attempt, can
    /// follow.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.has_left.load(Ordering::Acquire)
    }

    pub(super) fn leaves(&self) {
        self.0.has_left.store(true, Ordering::Release);
    }

    /// The job of an answer that has left failed with this error, so the body breaks off. Logged
    /// and counted once, unless the client has disconnected.
    pub fn failed(&self, error: &Error, ledger: &Ledger) {
        if error.is(CLIENT_GONE) || self.0.has_failed.swap(true, Ordering::AcqRel) {
            return;
        }
        ledger.early_answers.broken.add(1);
        let cause = ErrorChain::new(error);
        let what = "an answer broke off after its first block";
        match error.code().level() {
            Level::Overload => tracing::debug!("{what}: {cause}"),
            Level::Info => tracing::info!("{what}: {cause}"),
            Level::Warn => tracing::warn!("{what}: {cause}"),
            Level::Error => tracing::error!("{what}: {cause}"),
        }
    }
}

impl fmt::Debug for EarlyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyRecord")
            .field("has_left", &self.has_left())
            .finish_non_exhaustive()
    }
}
