//! What tells texts apart, and what a client has of a page.

use euryale::{Body, Response};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::page::html;

/// FNV-1a: enough to tell versions of one text apart.
pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let bytes = texts.into_iter().flat_map(str::bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The page with a tag, or 304 for a client that has it already (RFC 9110 §13.1.2). The tag is
/// weak: a theme and a coding may come over the page.
pub(crate) fn tagged(page: String, headers: &HeaderMap) -> Response {
    let opaque = format!("\"{}\"", of([page.as_str()]));
    let mut lines = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let is_known = lines.any(|line| line.trim() == "*" || line.contains(&opaque));
    let mut response = if is_known {
        Response::new(Body::empty())
    } else {
        html(StatusCode::OK, page)
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    // A tag in hexadecimal digits is a header's value.
    if let Ok(tag) = HeaderValue::try_from(format!("W/{opaque}")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
