//! Log lines for the operator.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use euryale_core::Error;
use euryale_core::error::{ErrorChain, Level};

use crate::page::Asked;

pub(crate) fn error(error: &Error, asked: &Asked, throttle: &Throttle) {
    let Asked { method, uri, .. } = asked;
    let cause = ErrorChain::new(error);
    match error.code().level() {
        // Such errors occur in large numbers, so one line a second is enough.
        Level::Overload => {
            if let Some(more) = throttle.pass() {
                tracing::warn!(%method, %uri, more, "overloaded: {cause}");
            }
        }
        Level::Info => tracing::info!(%method, %uri, "request failed: {cause}"),
        Level::Warn => tracing::warn!(%method, %uri, "request failed: {cause}"),
        Level::Error => tracing::error!(%method, %uri, "request failed: {cause}"),
    }
}

/// Lets one line a second through, and counts the lines that it suppresses.
#[derive(Debug)]
pub(crate) struct Throttle {
    start: Instant,
    last: AtomicU64,
    held: AtomicU64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(u64::MAX),
            held: AtomicU64::new(0),
        }
    }
}

impl Throttle {
    /// Returns the number of lines that were suppressed since the last one that passed, or `None`
    /// if this line is suppressed.
    fn pass(&self) -> Option<u64> {
        let second = self.start.elapsed().as_secs();
        if self.last.swap(second, Relaxed) == second {
            self.held.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.held.swap(0, Relaxed))
    }
}
