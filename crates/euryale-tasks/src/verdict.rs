//! What follows a run that was not acknowledged. Pure.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::backoff;
use crate::table::Next;

/// The reason why a run failed, and whether another one may succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) error: String,
    pub(crate) again: Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// After the usual pause.
    Later,
    /// After this time, which the run itself has asked for.
    After(Duration),
    /// Another run would end in the same way.
    Never,
}

impl Verdict {
    pub(crate) fn new(error: impl Into<String>, again: Again) -> Self {
        Self {
            error: error.into(),
            again,
        }
    }

    /// Returns the verdict on a response that is not a success.
    pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap) -> Self {
        let again = match retry_after(headers) {
            _ if !may_change(status) => Again::Never,
            Some(after) => Again::After(after),
            None => Again::Later,
        };
        Self::new(format!("the run was answered {status}"), again)
    }

    /// Returns what follows this attempt of at most `attempts`.
    pub(crate) fn next(&self, attempt: u32, attempts: u32) -> Next {
        match self.again {
            Again::Never => Next::Dead,
            _ if attempt >= attempts => Next::Dead,
            Again::Later => Next::Retry(backoff::after(attempt)),
            Again::After(time) => Next::Retry(time.max(backoff::after(attempt))),
        }
    }
}

/// Returns whether the same request may be answered differently later: after a failure of the
/// server (5xx), 408, 409, 425 and 429 (RFC 9110 §15.5.9 and §15.5.10, RFC 8470 §5.2, RFC 6585 §4).
fn may_change(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429)
}

/// Returns the number of seconds in `Retry-After`, but not a date, which publishers of the same
/// program have no reason to send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(status: u16, retry_after: Option<&str>, attempt: u32) -> Next {
        let mut headers = HeaderMap::new();
        if let Some(after) = retry_after {
            headers.insert(RETRY_AFTER, after.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Verdict::of_status(status, &headers).next(attempt, 3)
    }

    #[test]
    fn failures_of_the_server_and_four_others_are_tried_again() {
        for status in [408, 409, 425, 429, 500, 502, 503, 507] {
            assert!(matches!(next(status, None, 1), Next::Retry(_)), "{status}");
            assert_eq!(next(status, None, 3), Next::Dead, "{status}");
        }
        for status in [301, 304, 400, 401, 403, 404, 410, 422] {
            assert_eq!(next(status, None, 1), Next::Dead, "{status}");
        }
    }

    #[test]
    fn retry_after_can_only_extend_the_pause() {
        assert_eq!(
            next(503, Some("900"), 1),
            Next::Retry(Duration::from_secs(900))
        );
        let Next::Retry(pause) = next(503, Some("0"), 1) else {
            panic!("tried again")
        };
        assert!(pause >= Duration::from_millis(1600), "{pause:?}");
        assert!(matches!(
            next(429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), 1),
            Next::Retry(_)
        ));
        assert_eq!(next(404, Some("1"), 1), Next::Dead);
    }
}
