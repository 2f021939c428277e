//! Which responses another layer may compress.

use euryale_core::{BlobHandle, BlobParts};
use http::header::ETAG;
use http::{Extensions, HeaderMap, StatusCode, Version};

/// May this response be compressed on its way out? Not a file, nor parts of one, nor what a strong
/// `ETag` names byte by byte (RFC 9110 §8.8.1).
///
/// A predicate for tower-http's `CompressionLayer`. [Beside compression](crate#beside-compression)
/// says why, and shows it.
#[must_use]
pub fn may_compress(
    _: StatusCode,
    _: Version,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    let is_file =
        extensions.get::<BlobHandle>().is_some() || extensions.get::<BlobParts>().is_some();
    let is_strong = headers
        .get(ETAG)
        .is_some_and(|tag| !tag.as_bytes().starts_with(b"W/"));
    !is_file && !is_strong
}
