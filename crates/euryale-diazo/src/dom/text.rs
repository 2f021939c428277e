//! Converts text between source and value.

use std::borrow::Cow;

use super::{Name, Traits};

/// The value of a text or an attribute: references are resolved, except for those without a
/// semicolon.
pub(crate) fn decode(written: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', written.as_bytes()).is_none() {
        return Cow::Borrowed(written);
    }
    html_escape::decode_html_entities(written)
}

/// Escapes text. With `references`, it may contain references, which are kept.
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

/// The text of HTML that rules wrote: its tags and comments are left out, its references resolved.
pub(crate) fn written_text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let (text, tag) = rest.split_at(at);
        out.push_str(&decode(text));
        let (name, after) = skip_tag(tag);
        rest = after;
        if Traits::of(Name::of(name.as_bytes())).has(Traits::RAW) {
            let end = end_of_raw(rest, name);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out.push_str(&decode(rest));
    out
}

/// The name of a start tag, if it is one, and what follows the tag or comment.
fn skip_tag(tag: &str) -> (&str, &str) {
    if let Some(comment) = tag.strip_prefix("<!--") {
        let end = comment.find("-->").map_or(comment.len(), |at| at + 3);
        return ("", &comment[end..]);
    }
    let bytes = tag.as_bytes();
    let mut quote = None;
    let mut end = bytes.len();
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => {
                end = at + 1;
                break;
            }
            _ => {}
        }
    }
    let name = &tag[1..end];
    let name = name.split(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
    (name.into_iter().next().unwrap_or_default(), &tag[end..])
}

/// Where the text of a script or style ends.
fn end_of_raw(text: &str, name: &str) -> usize {
    let is_end = |at: &usize| {
        let after = text.get(at + 2..at + 2 + name.len());
        after.is_some_and(|after| after.eq_ignore_ascii_case(name))
    };
    let ends = text.match_indices("</").map(|(at, _)| at).find(is_end);
    ends.unwrap_or(text.len())
}
