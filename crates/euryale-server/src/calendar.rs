//! `Date` while the system's clock is behind where it has been.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The calendar of all servers in the process. hyper caches `Date` by thread, and sockets of all
/// servers share threads, so a quiet server may send a `Date` that another one has made.
pub(crate) static CALENDAR: Calendar = Calendar {
    newest: AtomicU64::new(0),
};

/// Detects that the clock was set back. hyper renders `Date` once a second, when the clock has
/// passed the last value, which takes long after the clock was set back.
#[derive(Debug)]
pub(crate) struct Calendar {
    /// The latest time that was seen, in seconds since 1970.
    newest: AtomicU64,
}

impl Calendar {
    /// The value of `Date` (RFC 9110 §6.6.1) while the clock is behind; `None` if hyper's own value
    /// is right.
    pub(crate) fn correction(&self, now: SystemTime) -> Option<HeaderValue> {
        let second = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let newest = self.newest.load(Relaxed);
        if second > newest {
            self.newest.fetch_max(second, Relaxed);
        }
        if second >= newest {
            return None;
        }
        HeaderValue::try_from(httpdate::fmt_http_date(now)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn date_follows_a_clock_that_is_set_back() {
        let calendar = Calendar {
            newest: AtomicU64::new(0),
        };
        let at = |second| calendar.correction(UNIX_EPOCH + Duration::from_secs(second));
        assert_eq!(at(784_111_777), None);
        assert_eq!(at(784_111_777), None, "the same second");
        assert_eq!(at(784_111_776).unwrap(), "Sun, 06 Nov 1994 08:49:36 GMT");
        assert_eq!(at(784_111_778), None, "hyper makes a new one");
        assert_eq!(
            calendar.correction(UNIX_EPOCH - Duration::from_secs(1)),
            None
        );
    }
}
