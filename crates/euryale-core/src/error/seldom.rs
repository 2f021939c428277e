//! Rate limiting for log lines about frequent events.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits a warning to one line in 10 s: a program at its limit refuses many requests.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use euryale_core::error::Seldom;
///
/// let seldom = Seldom::new();
/// let now = Instant::now();
/// assert!(seldom.is_due(now));
/// assert!(!seldom.is_due(now + Duration::from_secs(9)));
/// assert!(seldom.is_due(now + Duration::from_secs(10)));
/// ```
#[derive(Debug, Default)]
pub struct Seldom {
    /// The time of the last line.
    last: Mutex<Option<Instant>>,
}

/// The minimum time between two lines.
const QUIET: Duration = Duration::from_secs(10);

impl Seldom {
    /// Creates a limit for which no line has been written yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether the last line is old enough for another one, which the caller then writes.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}
