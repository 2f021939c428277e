//! Entity tags and modification dates (RFC 9110 §8.8).

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use euryale_core::Blob;
use http::header::{ETAG, Entry, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// The longest tick of a file system's clock: 1 to 10 ms on Linux, 2 s on FAT. Within a tick a file
/// may change again and keep its time, so a time that is more recent than this is not a strong
/// validator yet (RFC 9110 §8.8.1).
const TICK: Duration = Duration::from_secs(2);

/// Times before 1980-01-02 are placeholders of tools for reproducible archives: 0 and 1 s (Nix,
/// OSTree), and the start of ZIP's time.
const FIRST_TIME: Duration = Duration::from_secs(315_619_200);

/// The validators of an answer.
#[derive(Debug)]
pub(crate) struct Validators {
    etag: Option<HeaderValue>,
    /// The modification time in whole seconds, as it is sent.
    modified: Option<SystemTime>,
    has_settled: bool,
}

impl Validators {
    /// Returns the response's own validators, and the blob's where the response has none.
    pub(crate) fn of(headers: &HeaderMap, blob: &Blob, now: SystemTime) -> Self {
        let time = blob
            .modified()
            .filter(|time| since_epoch(*time) >= FIRST_TIME);
        let etag = match headers.get(ETAG) {
            Some(given) => Some(given.clone()),
            None => time.map(|time| etag_of(blob, time, has_settled(time, now))),
        };
        let modified = match headers.get(LAST_MODIFIED) {
            Some(given) => date(given),
            None => time,
        };
        // `Last-Modified` is never later than the answer's `Date` (RFC 9110 §8.8.2.1), even if the
        // publisher set it.
        let modified = modified.map(|time| whole_seconds(time.min(now)));
        Self {
            etag,
            modified,
            has_settled: modified.is_some_and(|time| has_settled(time, now)),
        }
    }

    /// Sets the validators that the response does not have, and replaces a date in the future.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let (Some(etag), Entry::Vacant(entry)) = (&self.etag, headers.entry(ETAG)) {
            entry.insert(etag.clone());
        }
        if let Some(modified) = self.modified
            && headers.get(LAST_MODIFIED).and_then(date) != Some(modified)
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(LAST_MODIFIED, date);
        }
    }

    /// Returns whether a list contains this tag, by strong or weak comparison (RFC 9110 §8.8.3.2).
    pub(crate) fn is_in<'a>(
        &self,
        lines: impl Iterator<Item = &'a HeaderValue>,
        how: Comparison,
    ) -> bool {
        let own = self
            .etag
            .as_ref()
            .and_then(|etag| tags(etag.as_bytes()).next());
        for line in lines {
            if line.as_bytes().trim_ascii() == b"*" {
                return true;
            }
            if own.is_some_and(|own| tags(line.as_bytes()).any(|other| own.equals(other, how))) {
                return true;
            }
        }
        false
    }

    /// Returns whether an `If-Range` matches the blob (RFC 9110 §13.1.5). Only a strong tag
    /// matches, or the exact date if the file can no longer change within that second.
    pub(crate) fn is_still(&self, known: &HeaderValue) -> bool {
        if let Some(tag) = tags(known.as_bytes()).next() {
            let own = self
                .etag
                .as_ref()
                .and_then(|etag| tags(etag.as_bytes()).next());
            return own.is_some_and(|own| own.equals(tag, Comparison::Strong));
        }
        self.has_settled && self.modified.is_some() && self.modified == date(known)
    }

    /// Returns whether the blob was changed after `time`, or `None` if its modification time is
    /// unknown.
    pub(crate) fn is_changed_since(&self, time: SystemTime) -> Option<bool> {
        self.modified.map(|modified| modified > time)
    }
}

/// Parses a date in one of the three formats of RFC 9110 §5.6.7.
pub(crate) fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Makes a tag from the modification time in nanoseconds and the length, like Apache and nginx. The
/// inode number is not part of it, so that servers with the same files have the same tags. The
/// coding is, as in Apache, because a precompressed file has other bytes, perhaps with the same
/// length and time (RFC 9110 §8.8.3.3).
fn etag_of(blob: &Blob, time: SystemTime, is_strong: bool) -> HeaderValue {
    let weak = if is_strong { "" } else { "W/" };
    let time = since_epoch(time).as_nanos();
    let len = blob.len();
    let mut tag = format!("{weak}\"{time:x}-{len:x}");
    // Writing to a string cannot fail.
    let _ = match blob.offset() {
        0 => Ok(()),
        offset => write!(tag, "-{offset:x}"),
    };
    let _ = blob
        .coding()
        .map_or(Ok(()), |coding| write!(tag, "-{coding}"));
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

fn has_settled(time: SystemTime, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|age| age >= TICK)
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs())
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The ways to compare tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Strong,
    Weak,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl Tag<'_> {
    fn equals(self, other: Tag<'_>, how: Comparison) -> bool {
        let strong = !self.weak && !other.weak;
        self.opaque == other.opaque && (strong || how == Comparison::Weak)
    }
}

/// Returns the tags of a list. Tags may contain commas; other text is skipped (RFC 9110 §8.8.3,
/// §5.6.1).
fn tags(list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            let (weak, quoted) = match rest {
                [] => return None,
                [b'W', b'/', quoted @ ..] => (true, quoted),
                _ => (false, rest),
            };
            if let [b'"', inner @ ..] = quoted
                && let Some(end) = inner.iter().position(|&byte| !is_tag_byte(byte))
                && inner[end] == b'"'
            {
                rest = after_comma(&inner[end + 1..]);
                return Some(Tag {
                    weak,
                    opaque: &inner[..end],
                });
            }
            rest = after_comma(rest);
        }
    })
}

fn after_comma(text: &[u8]) -> &[u8] {
    text.iter()
        .position(|&byte| byte == b',')
        .map_or(&[], |at| &text[at + 1..])
}

fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'~' | 0x80..)
}
