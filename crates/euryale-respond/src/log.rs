//! Log lines for the operator.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use euryale_core::{Error, ErrorChain, ErrorKind};

use crate::page::Asked;

pub(crate) fn error(error: &Error, asked: &Asked, throttle: &Throttle) {
    let Asked { method, uri, .. } = asked;
    let cause = ErrorChain::new(error);
    match error.kind() {
        // There are many of these at once, if any: one line a second is enough.
        ErrorKind::QueueFull
        | ErrorKind::QueueElapsed
        | ErrorKind::SuspendedFull
        | ErrorKind::SpoolBusy
        | ErrorKind::NoDescriptor
        | ErrorKind::LaneFull => {
            if let Some(more) = throttle.pass() {
                tracing::warn!(%method, %uri, more, "overloaded: {cause}");
            }
        }
        // The client's fault, or the expected result of closing a pool.
        ErrorKind::BodyTooLarge
        | ErrorKind::BodyStalled
        | ErrorKind::Malformed
        | ErrorKind::ClientGone
        | ErrorKind::Closed => tracing::info!(%method, %uri, "request failed: {cause}"),
        // The deadline did its work.
        ErrorKind::PublishElapsed => tracing::warn!(%method, %uri, "request failed: {cause}"),
        _ => tracing::error!(%method, %uri, "request failed: {cause}"),
    }
}

/// Lets one line a second through, and counts those that it suppresses.
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
    /// The number of lines suppressed since the last one that passed; `None` for a suppressed line.
    fn pass(&self) -> Option<u64> {
        let second = self.start.elapsed().as_secs();
        if self.last.swap(second, Relaxed) == second {
            self.held.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.held.swap(0, Relaxed))
    }
}
