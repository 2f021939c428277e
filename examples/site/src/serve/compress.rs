//! Compresses pages on their way out, outside everything that produces them.
//!
//! Files are not: they are sent by `sendfile(2)`, their ranges refer to the uncompressed bytes, and
//! compressing a large one would occupy a runtime thread for long.
//!
//! From a page of 9 kB, zstd makes 3.5 kB in 75 µs, gzip 3.7 kB in 130 µs and Brotli 3.6 kB in 210
//! µs, each at its fastest; slower levels win a tenth in size for twice the time. While its client
//! reads nothing, a page of 1 MiB holds 0.7 MiB with zstd, 0.3 MiB with gzip, and 2.1 MiB with
//! Brotli. So Brotli is for clients that take nothing else, and for pages of which it holds little.

use euryale::blob::may_compress;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, StatusCode, Version};
use http_body::Body;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// A smaller answer fits into a packet anyway.
const WORTH_IT: u64 = 1024;

/// Types that compress well and are complete at once.
const TEXTS: [&str; 7] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/javascript",
    "image/svg+xml",
    "application/json",
    "application/problem+json",
];

/// Brotli holds a multiple of a larger page.
const MOST_FOR_BROTLI: u64 = 64 << 10;

/// Compresses with zstd or gzip.
pub(crate) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .no_br()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTH_IT).and(may_compress).and(is_text))
}

/// Compresses with Brotli what [`layer`] inside has left uncoded.
pub(crate) fn brotli() -> CompressionLayer<impl Predicate> {
    let size = SizeAbove::new(WORTH_IT).and(SizeAtMost(MOST_FOR_BROTLI));
    CompressionLayer::new()
        .no_gzip()
        .no_zstd()
        .quality(CompressionLevel::Fastest)
        .compress_when(size.and(may_compress).and(is_text))
}

/// A body whose length is known, and is at most this.
#[derive(Clone)]
struct SizeAtMost(u64);

impl Predicate for SizeAtMost {
    fn should_compress<B: Body>(&self, response: &http::Response<B>) -> bool {
        let length = response.body().size_hint().upper();
        length.is_some_and(|length| length <= self.0)
    }
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
