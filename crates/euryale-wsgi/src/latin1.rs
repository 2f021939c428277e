//! The strings of PEP 3333, whose code points are bytes.
//!
//! WSGI strings contain the bytes of HTTP, each as the code point of its value (PEP 3333, "A Note
//! On String Types"). Applications encode them back to get the bytes.

use std::borrow::Cow;

/// Returns `bytes` as a string with one character per byte. Does not copy ASCII.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// Returns the bytes of `text`, or `None` if a character is above U+00FF. Does not copy ASCII.
pub fn encode(text: &str) -> Option<Cow<'_, [u8]>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect();
    bytes.map(Cow::Owned)
}
