//! What the head says of a body that is about to be another.

use euryale_core::{Body, Response};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, TRAILER,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};

/// What was true of the body before. Parts of a transformed page are not served; that a page did
/// not change says nothing about the theme around it.
const OLD: [HeaderName; 4] = [CONTENT_LENGTH, ACCEPT_RANGES, LAST_MODIFIED, TRAILER];
/// Digests of the content (RFC 9530, and its forerunners).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];
/// What describes the 200 and not the 304.
const REPRESENTATION: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_LANGUAGE];

/// Makes the head that of a transformed page.
pub(crate) fn transformed(headers: &mut HeaderMap, tag: Option<HeaderValue>) {
    remove(headers, &OLD);
    for name in DIGESTS {
        headers.remove(name);
    }
    match tag {
        Some(tag) => headers.insert(ETAG, tag),
        None => headers.remove(ETAG),
    };
}

/// The head of a transformed page, as 304 (RFC 9110 §15.4.5).
pub(crate) fn not_modified(mut head: response::Parts, tag: HeaderValue) -> Response {
    transformed(&mut head.headers, Some(tag));
    remove(&mut head.headers, &REPRESENTATION);
    head.status = StatusCode::NOT_MODIFIED;
    Response::from_parts(head, Body::empty())
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
