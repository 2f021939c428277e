//! Adapts the head to a body that is about to change.

use euryale_core::body::{BlobHandle, BlobParts, DeferredHandle, WriterHandle};
use euryale_core::{Body, Response};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, TRAILER,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};

/// Header fields that described the original body. A transformed page is not served in parts, and
/// the date of the page says nothing about the theme around it.
const OLD: [HeaderName; 4] = [CONTENT_LENGTH, ACCEPT_RANGES, LAST_MODIFIED, TRAILER];
/// Digests of the content (RFC 9530 and its predecessors).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];
/// Header fields that describe a 200 and not a 304.
const REPRESENTATION: [HeaderName; 7] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    TRAILER,
];

/// Turns the head into that of a transformed page.
pub(crate) fn transformed(headers: &mut HeaderMap, tag: Option<HeaderValue>) {
    remove(headers, &OLD);
    undigest(headers);
    match tag {
        Some(tag) => headers.insert(ETAG, tag),
        None => headers.remove(ETAG),
    };
}

/// Turns the head of a transformed page into a 304.
pub(crate) fn transformed_not_modified(mut head: response::Parts, tag: HeaderValue) -> Response {
    transformed(&mut head.headers, Some(tag));
    not_modified(Response::from_parts(head, Body::empty()))
}

/// Turns a response into a 304. It keeps the fields of the 200 that RFC 9110 §15.4.5 requires, and
/// `Last-Modified` only if there is no tag.
pub(crate) fn not_modified(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    // Outer layers must not find the body by its handle, and it must not be counted as open.
    drop(body);
    head.extensions.remove::<BlobHandle>();
    head.extensions.remove::<BlobParts>();
    head.extensions.remove::<DeferredHandle>();
    head.extensions.remove::<WriterHandle>();
    remove(&mut head.headers, &REPRESENTATION);
    undigest(&mut head.headers);
    if head.headers.contains_key(ETAG) {
        head.headers.remove(LAST_MODIFIED);
    }
    head.status = StatusCode::NOT_MODIFIED;
    Response::from_parts(head, Body::empty())
}

fn undigest(headers: &mut HeaderMap) {
    for name in DIGESTS {
        headers.remove(name);
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
