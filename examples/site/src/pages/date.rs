//! Times in HTTP's format.

use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999: a later one has more digits than the format.
const LAST: u64 = 253_402_300_799;

/// Tools that do not know a time write 0 or 1 in its place: this is the greater one.
const PLACEHOLDERS: i64 = 1;

/// IMF-fixdate (RFC 9110 §5.6.7) of a moment in seconds since 1970, or the latest that the format
/// has. `None` for a time that is not a modification time: a placeholder, or a moment before 1970.
pub(crate) fn http(seconds: i64) -> Option<String> {
    let moment = UNIX_EPOCH + Duration::from_secs(self::seconds(seconds)?);
    Some(httpdate::fmt_http_date(moment))
}

/// The same time as a number.
pub(crate) fn seconds(seconds: i64) -> Option<u64> {
    let since = u64::try_from(seconds).ok();
    let since = since.filter(|_| seconds > PLACEHOLDERS)?;
    Some(since.min(LAST))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_of_seconds_beyond_the_calendar_have_no_date() {
        let cases = [
            (i64::MIN, None),
            (-1, None),
            (0, None),
            (1, None),
            (784_111_777, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            (i64::MAX, Some("Fri, 31 Dec 9999 23:59:59 GMT")),
        ];
        for (seconds, text) in cases {
            assert_eq!(super::http(seconds).as_deref(), text);
        }
    }
}
