//! Requests that depend on what is stored (RFC 9110 §13), where a text or a form is meant. Files
//! have a layer that answers them.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method, StatusCode};

/// What is at the address of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Current<'a> {
    Nothing,
    /// Something without a strong tag.
    Untagged,
    /// Something whose strong tag has this between its quotes.
    Tagged(&'a str),
}

/// The status that answers a request whose conditions do not hold, in the order of RFC 9110
/// §13.2.2.
pub(crate) fn unmet(
    method: &Method,
    headers: &HeaderMap,
    current: Current<'_>,
) -> Option<StatusCode> {
    if headers.contains_key(IF_MATCH) && !names(headers, &IF_MATCH, current, Comparison::Strong) {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    if names(headers, &IF_NONE_MATCH, current, Comparison::Weak) {
        return Some(if method.is_safe() {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::PRECONDITION_FAILED
        });
    }
    None
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Does a list of tags name what is there?
fn names(
    headers: &HeaderMap,
    list: &HeaderName,
    current: Current<'_>,
    comparison: Comparison,
) -> bool {
    headers.get_all(list).iter().any(|line| {
        let line = line.as_bytes().trim_ascii();
        match current {
            Current::Nothing => false,
            Current::Untagged => line == b"*",
            Current::Tagged(own) => {
                let is_own = |(tag, is_weak): (&[u8], bool)| {
                    tag == own.as_bytes() && !(is_weak && comparison == Comparison::Strong)
                };
                line == b"*" || tags(line).any(is_own)
            }
        }
    })
}

/// What the tags of a list have between their quotes, and whether they are weak (RFC 9110 §8.8.3).
fn tags(list: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|&byte| byte == b'"')?;
        let is_weak = rest[..begin].ends_with(b"W/");
        let tag = &rest[begin + 1..];
        let length = tag.iter().position(|&byte| byte == b'"')?;
        rest = &tag[length + 1..];
        Some((&tag[..length], is_weak))
    })
}
