//! Pages as text.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The charset that a page declares in its `Content-Type`, UTF-8 if it declares none. `None` if
/// HTML cannot be read in it piece by piece (RFC 9110 §8.3.2, WHATWG Encoding).
pub fn charset(headers: &HeaderMap) -> Option<&'static Encoding> {
    let Some(declared) = declared(headers) else {
        return Some(UTF_8);
    };
    Encoding::for_label_no_replacement(declared.as_bytes())
        .filter(|encoding| encoding.is_ascii_compatible())
}

/// The charset as it is declared.
pub fn declared(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    })
}

/// Returns whether it is HTML, by its `Content-Type`.
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

/// The page as text, if it is text.
pub fn decode(page: &[Bytes], charset: &'static Encoding) -> Option<String> {
    let bytes = page.concat();
    if charset == UTF_8 {
        return String::from_utf8(bytes).ok();
    }
    charset
        .decode_without_bom_handling_and_without_replacement(&bytes)
        .map(Cow::into_owned)
}
