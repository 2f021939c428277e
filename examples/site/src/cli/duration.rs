//! Durations as people write them: `500ms`, `30s`, `2m`, `1h`.

use std::time::Duration;

/// `ms` is tried before `s`, because it ends in `s`.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// Longer than any client waits. It also keeps deadlines within the range of the clock.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A whole number and a unit, at most a day.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "write a whole number and a unit, for example 500ms, 30s, 2m or 1h".to_owned();
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)))
        .ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let millis = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    millis
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "longer than a day".to_owned())
}

/// Like [`parse`], but more than zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    if duration.is_zero() {
        Err("must be longer than 0".to_owned())
    } else {
        Ok(duration)
    }
}

/// The shortest way to write it that [`parse`] reads back.
pub(crate) fn text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = |name| {
        UNITS
            .into_iter()
            .find(|(other, unit)| *other == name && millis.is_multiple_of(*unit))
    };
    let (name, unit) = ["h", "m", "s"]
        .into_iter()
        .filter(|_| millis > 0)
        .find_map(exact)
        .unwrap_or(("ms", 1));
    format!("{}{name}", millis / unit)
}
