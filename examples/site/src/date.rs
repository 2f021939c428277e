//! Moments as HTTP writes them.

use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999: a later one has more digits than the format.
const LAST: u64 = 253_402_300_799;

/// IMF-fixdate (RFC 9110 §5.6.7) of so many seconds since 1970; the nearest that it can say.
pub(crate) fn http(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LAST));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_number_of_seconds_is_a_date() {
        let cases = [
            (i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (seconds, text) in cases {
            assert_eq!(super::http(seconds), text);
        }
    }
}
