//! Pages are compressed on their way out, outside everything that makes them.
//!
//! Files are not: they leave with `sendfile(2)`, a part of one is a part of what it is, and
//! compressing them would take a runtime thread for as long as they are large.

use euryale::blob::may_compress;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// Below that a packet is a packet.
const WORTH_IT: u64 = 1024;

/// What compresses well, and is made at once.
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
        .compress_when(SizeAbove::new(WORTH_IT).and(may_compress).and(is_text))
}

fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|media| {
            let essence = media.split(';').next().unwrap_or_default().trim();
            TEXTS.iter().any(|text| essence.eq_ignore_ascii_case(text))
        })
}
