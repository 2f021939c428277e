//! Rate limiting for log lines about frequent events.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits a warning to one line in 10 s: a program at its limit refuses many requests. Each line
/// has the number of those that were left out before it.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use euryale_core::error::Seldom;
///
/// let seldom = Seldom::new();
/// let now = Instant::now();
/// assert_eq!(seldom.due(now), Some(0));
/// assert_eq!(seldom.due(now + Duration::from_secs(9)), None);
/// assert_eq!(seldom.due(now + Duration::from_secs(10)), Some(1));
/// ```
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The time of the last line.
    last: Option<Instant>,
    left_out: u64,
}

/// The minimum time between two lines.
const QUIET: Duration = Duration::from_secs(10);

impl Seldom {
    /// Creates a limit for which no line has been written yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of lines that were left out since the last one, if that is old enough for
    /// another line, which the caller then writes. Otherwise this line is left out.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let Self(state) = self;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |last| now.saturating_duration_since(last) < QUIET;
        if state.last.is_some_and(is_recent) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}
