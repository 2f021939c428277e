//! Conditional requests (RFC 9110 §13) for texts, forms and removals. Requests that only read files
//! are answered by a layer.

use std::time::{Duration, UNIX_EPOCH};

use euryale::{Abort, Body, Request, Response};
use http::header::{CONTENT_RANGE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::pages::page::{Pages, html};
use crate::pages::refusal::Refusal;
use crate::pages::{date, fingerprint};
use crate::store::{Document, FileEntry};

const CHANGED: &str = "The stored version does not meet the request's If-Match, If-None-Match or \
    If-Unmodified-Since. Get it again, and then decide.";

/// The stored resource at the address of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Current<'a> {
    Nothing,
    Something {
        /// The text between the quotes of its strong tag, if it has one.
        tag: Option<&'a str>,
        /// In seconds since 1970, if that is known.
        modified: Option<i64>,
    },
}

impl<'a> Current<'a> {
    /// A resource that has neither a strong tag nor a time of change.
    pub(crate) const UNKNOWN: Self = Self::Something {
        tag: None,
        modified: None,
    };

    /// The tag of a page is weak, because a theme is applied to it.
    pub(crate) fn page(document: Option<&Document>) -> Self {
        document.map_or(Self::Nothing, |document| Self::Something {
            tag: None,
            modified: Some(document.changed),
        })
    }

    pub(crate) fn text(document: &Document, tag: &'a str) -> Self {
        Self::Something {
            tag: Some(tag),
            modified: Some(document.changed),
        }
    }

    pub(crate) fn file(file: Option<&'a FileEntry>) -> Self {
        file.map_or(Self::Nothing, |file| Self::Something {
            tag: Some(&file.blob),
            modified: Some(file.modified),
        })
    }
}

/// Checks the conditions of `request` against `current`. Call it before anything is changed.
pub(crate) fn require(pages: &Pages, request: &Request, current: Current<'_>) -> Result<(), Abort> {
    match unmet(request.method(), request.headers(), current) {
        Some(_) => Err(changed(pages, request)),
        None => Ok(()),
    }
}

/// The 412 answer to `request`.
pub(crate) fn changed(pages: &Pages, request: &Request) -> Abort {
    Refusal::new(StatusCode::PRECONDITION_FAILED, CHANGED).abort(pages, request)
}

/// A partial PUT would be mistaken for the whole (RFC 9110 §14.5).
pub(crate) fn require_whole(pages: &Pages, request: &Request) -> Result<(), Abort> {
    if request.method() == Method::PUT && request.headers().contains_key(CONTENT_RANGE) {
        let detail = "Send the whole text: a part of it, with Content-Range, cannot be stored.";
        return Err(Refusal::bad(detail).abort(pages, request));
    }
    Ok(())
}

/// The status that answers a request whose conditions do not hold, in the order of RFC 9110
/// §13.2.2.
pub(crate) fn unmet(
    method: &Method,
    headers: &HeaderMap,
    current: Current<'_>,
) -> Option<StatusCode> {
    let is_other = if headers.contains_key(IF_MATCH) {
        !names(headers, &IF_MATCH, current, Comparison::Strong)
    } else {
        is_modified(headers, current)
    };
    if is_other {
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

/// Returns whether a client that sent these tags has the resource with `tag`, strong or weak (RFC
/// 9110 §13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let current = Current::Something {
        tag: Some(tag),
        modified: None,
    };
    names(headers, &IF_NONE_MATCH, current, Comparison::Weak)
}

/// The page with a tag, or 304 for a client that has it already (RFC 9110 §13.1.2). The tag is
/// weak, because a theme and a coding may be applied to the page.
pub(crate) fn tagged(page: String, headers: &HeaderMap) -> Response {
    let tag = fingerprint::of([page.as_str()]);
    let is_known = is_known(headers, &tag);
    let mut response = if is_known {
        Response::new(Body::empty())
    } else {
        html(StatusCode::OK, page)
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    // A tag in hexadecimal digits is a header's value.
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// RFC 9110 §13.1.4: anything but one date is ignored.
fn is_modified(headers: &HeaderMap, current: Current<'_>) -> bool {
    let Current::Something {
        modified: Some(modified),
        ..
    } = current
    else {
        return false;
    };
    let mut lines = headers.get_all(IF_UNMODIFIED_SINCE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let since = line.to_str().ok().map(httpdate::parse_http_date);
    let (Some(Ok(since)), Some(modified)) = (since, date::seconds(modified)) else {
        return false;
    };
    UNIX_EPOCH + Duration::from_secs(modified) > since
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Returns whether a list of tags matches the stored resource.
fn names(
    headers: &HeaderMap,
    list: &HeaderName,
    current: Current<'_>,
    comparison: Comparison,
) -> bool {
    let Current::Something { tag, .. } = current else {
        return false;
    };
    headers.get_all(list).iter().any(|line| {
        let line = line.as_bytes().trim_ascii();
        let is_own = |(named, is_weak): (&[u8], bool)| {
            tag.is_some_and(|tag| tag.as_bytes() == named)
                && !(is_weak && comparison == Comparison::Strong)
        };
        line == b"*" || tags(line).any(is_own)
    })
}

/// The texts between the quotes of a list's tags, and whether they are weak (RFC 9110 §8.8.3).
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

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;
    use http::{HeaderMap, HeaderValue};

    use super::tagged;
    use crate::pages::fingerprint;

    #[test]
    fn page_is_recognized_by_a_tag_and_not_by_text_between_two() {
        let tag = fingerprint::of(["page"]);
        for (line, status) in [
            (format!("\"{tag}\""), 304),
            (format!("W/\"{tag}\""), 304),
            (format!("\"a\", W/\"{tag}\""), 304),
            ("*".to_owned(), 304),
            (format!("\"a\"{tag}\"b\""), 200),
            (format!("\"{tag}"), 200),
            (tag.clone(), 200),
            ("\"a\"".to_owned(), 200),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(&line).unwrap());
            let answer = tagged("page".to_owned(), &headers);
            assert_eq!(answer.status(), status, "{line}");
        }
    }
}
