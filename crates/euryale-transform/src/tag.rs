//! Converts between the `ETag` of a transformed page and that of the original page.
//!
//! `"abc"` becomes `W/"abc~5.0123456789abcdef"`. The suffix names the transforms (a bit for each
//! place in the chain), and has a hash of their names and versions. The tag is weak, because the
//! same text may be written in several ways (RFC 9110 §8.8.1). In a request with this tag, the
//! inner service sees `"abc"` as long as the transforms are the same. All other conditions are
//! evaluated against the head that is sent.

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// The suffix that a set of transforms adds to a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suffix {
    pub(crate) places: u64,
    hash: u64,
}

impl Suffix {
    /// Creates a suffix. `versions` has the names and versions of the transforms at these places.
    pub(crate) fn new<'a>(places: u64, versions: impl IntoIterator<Item = &'a str>) -> Self {
        // FNV-1a gives the same result in every process and every build.
        let bytes = versions
            .into_iter()
            .flat_map(|text| text.bytes().chain([0]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { places, hash }
    }

    /// Returns the tag of a page with `tag` after these transforms.
    pub(crate) fn outer(&self, tag: &HeaderValue) -> Option<HeaderValue> {
        let opaque = tags(tag.as_bytes()).next()?;
        let opaque = std::str::from_utf8(opaque).ok()?;
        let Self { places, hash } = self;
        HeaderValue::try_from(format!("W/\"{opaque}~{places:x}.{hash:016x}\"")).ok()
    }

    /// Splits a tag into the original tag and the suffix of the transforms.
    fn split(opaque: &[u8]) -> Option<(&str, Self)> {
        let (inner, suffix) = std::str::from_utf8(opaque).ok()?.rsplit_once('~')?;
        let (places, hash) = suffix.split_once('.')?;
        let places = u64::from_str_radix(places, 16).ok()?;
        Some((
            inner,
            Self {
                places,
                hash: u64::from_str_radix(hash, 16).ok()?,
            },
        ))
    }
}

/// A tag that the client has, and the tag that the inner service gets for it.
#[derive(Debug)]
pub(crate) struct Known {
    inner: Box<str>,
    outer: Box<str>,
}

/// The maximum number of tags of a request that are checked. Each costs a hash, and a client has
/// one or two.
const MOST: usize = 8;

/// Rewrites the conditions for the service inside. Only tags of transformed pages that are still
/// current (`is_current`) go in, each as the tag of the original page. Any other tag may belong to
/// a page that was not transformed or was transformed differently, and a date says nothing about
/// transforms. With such a tag or date, the inner service would answer 304 for a page that now
/// looks different.
pub(crate) fn inward(headers: &mut HeaderMap, is_current: impl Fn(&Suffix) -> bool) -> Vec<Known> {
    let mut known = Vec::new();
    for line in headers.get_all(IF_NONE_MATCH).iter().take(MOST) {
        for outer in tags(line.as_bytes()).take(MOST) {
            if let (Some((inner, suffix)), Ok(outer)) =
                (Suffix::split(outer), std::str::from_utf8(outer))
                && is_current(&suffix)
            {
                known.push(Known {
                    inner: inner.into(),
                    outer: outer.into(),
                });
            }
        }
    }
    headers.remove(IF_NONE_MATCH);
    headers.remove(IF_MODIFIED_SINCE);
    for Known { inner, .. } in &known {
        if let Ok(value) = HeaderValue::try_from(format!("\"{inner}\"")) {
            headers.append(IF_NONE_MATCH, value);
        }
    }
    known
}

/// Replaces the tag of an inner 304 with the tag that the client has.
pub(crate) fn outward(headers: &mut HeaderMap, known: &[Known]) {
    let said = headers
        .get(ETAG)
        .and_then(|tag| tags(tag.as_bytes()).next());
    let meant = match said {
        Some(said) => known.iter().find(|known| known.inner.as_bytes() == said),
        // The 304 should have had a tag (RFC 9110 §15.4.5).
        None => known.first().filter(|_| known.len() == 1),
    };
    if let Some(value) =
        meant.and_then(|known| HeaderValue::try_from(format!("W/\"{}\"", known.outer)).ok())
    {
        headers.insert(ETAG, value);
    }
}

/// Returns whether a client that sent the headers `asked` already has the response with the headers
/// `sent`. This evaluates `If-None-Match`, or `If-Modified-Since` if there is no `If-None-Match`
/// (RFC 9110 §13.2.2, steps 3 and 4).
pub(crate) fn has(asked: &HeaderMap, sent: &HeaderMap) -> bool {
    if asked.contains_key(IF_NONE_MATCH) {
        return sent.get(ETAG).is_some_and(|tag| is_known(asked, tag));
    }
    let date = |headers: &HeaderMap, name| {
        let value = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(value).ok()
    };
    match (date(asked, IF_MODIFIED_SINCE), date(sent, LAST_MODIFIED)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Returns whether a client that sent these headers has the page with `tag` (RFC 9110 §13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Some(own) = tags(tag.as_bytes()).next() else {
        return false;
    };
    headers.get_all(IF_NONE_MATCH).iter().any(|line| {
        line.as_bytes().trim_ascii() == b"*" || tags(line.as_bytes()).any(|other| other == own)
    })
}

/// Returns the opaque parts of a list of tags; other text is skipped (RFC 9110 §8.8.3, §5.6.1).
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|&byte| byte == b'"')? + 1;
        let length = rest[begin..].iter().position(|&byte| byte == b'"')?;
        let tag = &rest[begin..begin + length];
        rest = &rest[begin + length + 1..];
        Some(tag)
    })
}
