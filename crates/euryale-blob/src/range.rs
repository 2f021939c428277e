//! Parses the byte ranges of a request (RFC 9110 §14.1, §14.2).

#[cfg(test)]
mod tests;

use http::HeaderValue;

/// The maximum number of parts in an answer. Requests for more get the whole file, which is cheaper
/// for both sides.
const MAX_PARTS: usize = 5;
/// The maximum number of ranges in a request. A longer list is an attack, because it would have to
/// be sorted.
const MAX_SPECS: usize = 100;

/// A range from the first byte to the last, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    pub(crate) fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

/// The bytes of a file that a `Range` field selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The whole file: there is no range, an unknown one, or too many.
    Whole,
    /// One or more parts, in the order in which they were requested.
    Parts(Vec<Span>),
    /// Only bytes beyond the end.
    Nothing,
}

/// Selects from a file of `len` bytes. A value that is not a list of byte ranges is ignored, as are
/// other units (RFC 9110 §14.2). Ranges that overlap or touch each other are joined (§15.3.7.2). An
/// empty file is sent whole, because some clients ask for the first part of every file.
pub(crate) fn select(value: &HeaderValue, len: u64) -> Selection {
    let Some(specs) = parse(value.as_bytes()) else {
        return Selection::Whole;
    };
    if len == 0 {
        return Selection::Whole;
    }
    let there: Vec<Span> = specs.into_iter().filter_map(|spec| spec.of(len)).collect();
    match joined(there) {
        parts if parts.is_empty() => Selection::Nothing,
        parts if parts.len() > MAX_PARTS => Selection::Whole,
        parts => Selection::Parts(parts),
    }
}

#[derive(Clone, Copy, Debug)]
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl Spec {
    /// Returns the part of the range that exists in a file of `len` bytes; `len` is not 0.
    fn of(self, len: u64) -> Option<Span> {
        match self {
            Self::From { first, .. } if first >= len => None,
            Self::From { first, last } => Some(Span {
                first,
                last: last.unwrap_or(u64::MAX).min(len - 1),
            }),
            Self::Suffix(0) => None,
            Self::Suffix(suffix) => Some(Span {
                first: len.saturating_sub(suffix),
                last: len - 1,
            }),
        }
    }
}

/// Returns `None` if any part of the value is malformed; the field is then ignored.
fn parse(value: &[u8]) -> Option<Vec<Spec>> {
    let (unit, list) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let specs = list
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|spec| !spec.is_empty());
    let mut found = Vec::new();
    for spec in specs {
        if found.len() == MAX_SPECS {
            return None;
        }
        found.push(parse_spec(spec)?);
    }
    (!found.is_empty()).then_some(found)
}

fn parse_spec(spec: &[u8]) -> Option<Spec> {
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let first = &spec[..dash];
    let last = &spec[dash + 1..];
    match (first, last) {
        ([], suffix) => Some(Spec::Suffix(number(suffix)?)),
        (first, []) => Some(Spec::From {
            first: number(first)?,
            last: None,
        }),
        (first, last) => {
            let first = number(first)?;
            let last = number(last)?;
            (first <= last).then_some(Spec::From {
                first,
                last: Some(last),
            })
        }
    }
}

/// Parses any number of digits. A value beyond `u64` becomes `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &digit| {
        digit.is_ascii_digit().then(|| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

/// Joins spans that overlap or touch, at the position of the first of them.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut ascending: Vec<(usize, Span)> = spans.into_iter().enumerate().collect();
    ascending.sort_by_key(|(_, span)| span.first);
    let mut joined: Vec<(usize, Span)> = Vec::new();
    for (place, span) in ascending {
        match joined.last_mut() {
            // This cannot overflow, because `last` is less than a length.
            Some((earlier, known)) if span.first <= known.last + 1 => {
                known.last = known.last.max(span.last);
                *earlier = (*earlier).min(place);
            }
            _ => joined.push((place, span)),
        }
    }
    joined.sort_by_key(|(place, _)| *place);
    joined.into_iter().map(|(_, span)| span).collect()
}
