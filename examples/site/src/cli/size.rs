//! Numbers of bytes as people write them: `512K`, `100M`, `2G`, in powers of 1024.

const UNITS: [(&str, u64); 4] = [
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// A whole number with an optional unit, greater than zero.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unit = UNITS
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(
            "write a whole number of bytes, or one with K, M, G or T, for example 64M".to_owned(),
        );
    }
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
    {
        // SQLite's maximum.
        Some(bytes) if i64::try_from(bytes).is_ok() => {
            if bytes == 0 {
                Err("must be more than 0".to_owned())
            } else {
                Ok(bytes)
            }
        }
        _ => Err("larger than any file".to_owned()),
    }
}

/// The shortest way to write it that [`parse`] reads back.
pub(crate) fn text(bytes: u64) -> String {
    let exact = UNITS
        .iter()
        .find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    exact.map_or_else(
        || bytes.to_string(),
        |(name, unit)| format!("{}{name}", bytes / unit),
    )
}

/// Formats a size for people, with one decimal place.
pub(crate) fn shown(bytes: u64) -> String {
    let Some((name, unit)) = UNITS.iter().find(|(_, unit)| bytes >= *unit) else {
        return if bytes == 1 {
            "1 byte".to_owned()
        } else {
            format!("{bytes} bytes")
        };
    };
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let number = bytes as f64 / *unit as f64;
    format!("{number:.1} {name}iB")
}
