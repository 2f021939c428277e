//! Rules for a compression layer outside this one.

#[cfg(test)]
mod tests;

use euryale_core::body::{BlobHandle, BlobParts};
use http::header::{ACCEPT_ENCODING, ETAG, VARY};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode, Version};

use crate::folder::coding::{items, parse};

/// Returns whether this response may be compressed by an outer layer. Files, parts of files, and
/// responses with a strong `ETag` may not, because a strong tag names exact bytes (RFC 9110
/// §8.8.1).
///
/// It is a predicate for tower-http's `CompressionLayer`; the reason and an example are in the
/// [crate's documentation](crate#how-does-it-work-with-compression).
#[must_use]
pub fn may_compress(
    _: StatusCode,
    _: Version,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    let is_file =
        extensions.get::<BlobHandle>().is_some() || extensions.get::<BlobParts>().is_some();
    !is_file && !has_strong_tag(headers)
}

/// Removes the elements from `Accept-Encoding` that forbid an uncoded response: `identity;q=0` and
/// `*;q=0`.
///
/// tower-http's `CompressionLayer` answers such a request 406 if no coding fits. By then the inner
/// service has done its work, and a client that is refused sends the request again. A server may
/// send the response without a coding instead (RFC 9110 §12.5.3). Use this with `map_request`
/// outside the compression, as in the example in the [crate's
/// documentation](crate#how-does-it-work-with-compression).
#[must_use]
pub fn accept_identity<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    let forbids_identity = |item: &str| {
        parse(item).is_some_and(|(name, weight)| weight == 0 && (name == "identity" || name == "*"))
    };
    if !items(headers).any(forbids_identity) {
        return request;
    }
    let others: Vec<&str> = items(headers)
        .filter(|item| !forbids_identity(item))
        .collect();
    match HeaderValue::try_from(others.join(", ")) {
        Ok(value) if !others.is_empty() => drop(headers.insert(ACCEPT_ENCODING, value)),
        _ => drop(headers.remove(ACCEPT_ENCODING)),
    }
    request
}

/// Adds `Vary: Accept-Encoding` to a 304 whose 200 would have it (RFC 9110 §15.4.5).
/// `CompressionLayer` cannot do this, because it decides by the media type and a 304 has none. A
/// response with a strong tag is never compressed and is not changed. Use this with `map_response`
/// outside the compression.
#[must_use]
pub fn vary_by_coding<B>(mut response: Response<B>) -> Response<B> {
    let is_unmodified = response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    if is_unmodified && !has_strong_tag(headers) && !varies_by_coding(headers) {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

fn has_strong_tag(headers: &HeaderMap) -> bool {
    headers
        .get(ETAG)
        .is_some_and(|tag| !tag.as_bytes().starts_with(b"W/"))
}

fn varies_by_coding(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(VARY)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| {
        let name = name.trim();
        name == "*" || name.eq_ignore_ascii_case("accept-encoding")
    })
}
