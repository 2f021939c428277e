//! Pages are compressed on their way out, outside everything that makes them.
//!
//! Files are not: they leave with `sendfile(2)`, a part of one is a part of what it is, and compressing them would take
//! a runtime thread for as long as they are large.

use euryale::BlobHandle;
use http::header::{CONTENT_TYPE, ETAG};
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// Below that a packet is a packet.
const WORTH_IT: u64 = 1024;

/// What compresses well, and is made at once. `multipart/byteranges`, which tower-http does not know for parts, is not
/// among it.
const TEXTS: [&str; 7] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/javascript",
    "image/svg+xml",
    "application/json",
    "application/problem+json",
];

pub(crate) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTH_IT).and(is_page))
}

fn is_page(_: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let is = |name, what: fn(&str) -> bool| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(what)
    };
    // A strong tag names these very bytes (RFC 9110 §8.8.3.3).
    let is_strong = is(ETAG, |tag| !tag.starts_with("W/"));
    let is_text = is(CONTENT_TYPE, |media| {
        let essence = media.split(';').next().unwrap_or_default().trim();
        TEXTS.iter().any(|text| essence.eq_ignore_ascii_case(text))
    });
    is_text && !is_strong && extensions.get::<BlobHandle>().is_none()
}
