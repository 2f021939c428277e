//! Moments as HTTP writes them.

use std::time::{Duration, UNIX_EPOCH};

/// IMF-fixdate (RFC 9110 §5.6.7) of so many seconds since 1970.
pub(crate) fn http(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}
