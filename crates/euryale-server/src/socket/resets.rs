//! Counts resets, to detect floods.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The number of requests that an HTTP/2 peer has reset, in spans of ten seconds.
#[derive(Debug, Default)]
pub(super) struct Resets {
    span: AtomicU64,
    recent: AtomicU32,
}

impl Resets {
    const SPAN: u64 = 10;

    /// Counts a reset. If two streams see a new span at once, one of them may be lost, which does
    /// not matter.
    pub(super) fn count(&self, age: Duration) {
        let span = age.as_secs() / Self::SPAN;
        if self.span.swap(span, Relaxed) != span {
            self.recent.store(0, Relaxed);
        }
        self.recent.fetch_add(1, Relaxed);
    }

    pub(super) fn recent(&self) -> u32 {
        self.recent.load(Relaxed)
    }
}
