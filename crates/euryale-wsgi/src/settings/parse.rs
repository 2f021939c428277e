//! Parsing of values.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// `ms` is tried before `s`, because it ends in `s`.
const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];
const SIZES: [(&str, u64); 4] = [
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// A limit that keeps deadlines far from the end of the clock's range.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn number<N>(text: &str, least: N, most: N) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display + Copy,
{
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| *number >= least && *number <= most)
        .ok_or_else(|| format!("write a whole number from {least} to {most}"))
}

/// Parses a number and a unit; the default unit is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number of seconds, or one with ms, s, m or h, at most 24h".to_owned();
    let millis = scaled(text, &DURATIONS, 1_000).ok_or_else(wrong)?;
    let duration = Duration::from_millis(millis);
    if duration.is_zero() || duration > LONGEST {
        return Err(wrong());
    }
    Ok(duration)
}

/// Parses a number of bytes, optionally with K, M, G or T for powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZES, 1)
        .filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok())
        .ok_or_else(|| "write a whole number of bytes, or one with K, M, G or T".to_owned())
}

fn scaled(text: &str, units: &[(&str, u64)], otherwise: u64) -> Option<u64> {
    let unit = units
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)));
    let (digits, unit) = unit.unwrap_or((text, otherwise));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

pub(crate) fn octal(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "write three octal digits, for example 660".to_owned())
}

pub(crate) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the words of a list that are separated by spaces, line breaks or commas.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || character == ',')
        .filter(|word| !word.is_empty())
}

/// Returns the path with a leading slash and without a trailing one, or empty.
pub(crate) fn prefix(text: &str) -> String {
    match text.trim_matches('/') {
        "" => String::new(),
        inner => format!("/{inner}"),
    }
}

pub(crate) fn scheme(text: &str) -> Result<String, String> {
    match text {
        "http" | "https" => Ok(text.to_owned()),
        _ => Err("write http or https".to_owned()),
    }
}

/// Parses a switch. The words for "on" are those of waitress, for which all other words mean "off".
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Ok(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

/// Parses a switch whose only allowed value is `needed`.
pub(crate) fn always(text: &str, needed: bool) -> Result<(), String> {
    if switch(text).unwrap_or(false) == needed {
        return Ok(());
    }
    let only = if needed { "on" } else { "off" };
    Err(format!("this is always {only} here; leave the line out"))
}
