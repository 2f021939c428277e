//! Text between the source and what it says.

use std::borrow::Cow;

/// What a text or an attribute says: references are resolved, those without their semicolon are
/// not.
pub(crate) fn decode(written: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', written.as_bytes()).is_none() {
        return Cow::Borrowed(written);
    }
    html_escape::decode_html_entities(written)
}

/// Writes text so that it stays text. `references`: it may hold some, which are left alone.
pub(crate) fn escape_text(out: &mut String, text: &str, references: bool) {
    for piece in text.split_inclusive(['<', '&']) {
        let (plain, special) = match piece.as_bytes().last() {
            Some(b'<') => (&piece[..piece.len() - 1], "&lt;"),
            Some(b'&') if references => (piece, ""),
            Some(b'&') => (&piece[..piece.len() - 1], "&amp;"),
            _ => (piece, ""),
        };
        out.push_str(plain);
        out.push_str(special);
    }
}
