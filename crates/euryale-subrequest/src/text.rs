//! Decodes pages.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Returns the charset that a page declares in its `Content-Type`, or UTF-8 if it declares none.
/// `None` if HTML cannot be parsed piece by piece in this charset (RFC 9110 §8.3.2, WHATWG
/// Encoding).
pub fn charset(headers: &HeaderMap) -> Option<&'static Encoding> {
    let Some(declared) = declared(headers) else {
        return Some(UTF_8);
    };
    Encoding::for_label_no_replacement(declared.as_bytes())
        .filter(|encoding| encoding.is_ascii_compatible())
}

/// Returns the charset parameter as it is written.
pub fn declared(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    })
}

/// Returns whether the `Content-Type` is HTML.
pub fn is_html(headers: &HeaderMap) -> bool {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media
        .and_then(|media| media.split(';').next())
        .map(str::trim);
    essence.is_some_and(|essence| {
        essence.eq_ignore_ascii_case("text/html")
            || essence.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// Decodes a page. Returns `None` if it is not valid text in this charset.
pub fn decode(page: &[Bytes], charset: &'static Encoding) -> Option<String> {
    let bytes = page.concat();
    if charset == UTF_8 {
        return String::from_utf8(bytes).ok();
    }
    charset
        .decode_without_bom_handling_and_without_replacement(&bytes)
        .map(Cow::into_owned)
}
