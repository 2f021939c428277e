//! Converts text between source and value.

use std::borrow::Cow;

use super::find::{find, find_either};
use super::{Name, Traits};

/// Returns the value of a text or an attribute. References are resolved, except for those without a
/// semicolon.
pub(crate) fn decode(written: &str) -> Cow<'_, str> {
    if find(b'&', written.as_bytes()).is_none() {
        return Cow::Borrowed(written);
    }
    html_escape::decode_html_entities(written)
}

/// Returns whether a written value contains this word, delimited by white space.
pub(crate) fn has_word(written: &str, word: &str) -> bool {
    let value = decode(written);
    let value = value.as_bytes();
    let Some(first) = word.bytes().next() else {
        return false;
    };
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    // The word cannot begin after this position.
    let Some(last) = value.len().checked_sub(word.len()) else {
        return false;
    };
    let mut at = 0;
    while let Some(found) = find(first, &value[at..=last]) {
        let begin = at + found;
        let before = begin.checked_sub(1).map(|before| &value[before]);
        let end = begin + word.len();
        if value[begin..].starts_with(word.as_bytes()) && is_end(before) && is_end(value.get(end)) {
            return true;
        }
        at = begin + 1;
        if at > last {
            break;
        }
    }
    false
}

/// Escapes text. With `references`, references in it are kept.
pub(crate) fn escape_text(out: &mut String, text: &str, references: bool) {
    let find = |text: &[u8]| find_either(b'<', b'&', text);
    escape(out, text, find, |special| match special {
        b'<' => "&lt;",
        _ if references => "&",
        _ => "&amp;",
    });
}

/// Appends the text, with the ASCII characters that `find` finds replaced.
#[inline]
pub(super) fn escape(
    out: &mut String,
    text: &str,
    find: impl Fn(&[u8]) -> Option<usize>,
    escaped: impl Fn(u8) -> &'static str,
) {
    let mut rest = text;
    while let Some(at) = find(rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        out.push_str(escaped(special.as_bytes()[0]));
        rest = &special[1..];
    }
    out.push_str(rest);
}

/// Returns the text of HTML that rules wrote, without tags and comments and with references
/// resolved.
pub(crate) fn written_text(html: &str) -> Cow<'_, str> {
    if memchr::memchr(b'<', html.as_bytes()).is_none() {
        return decode(html);
    }
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
    Cow::Owned(out)
}

/// Returns the name of a start tag, if it is one, and the text after the tag or comment.
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

/// Returns the end of the text of a script or style.
fn end_of_raw(text: &str, name: &str) -> usize {
    let is_end = |at: &usize| {
        let after = text.get(at + 2..at + 2 + name.len());
        after.is_some_and(|after| after.eq_ignore_ascii_case(name))
    };
    let ends = text.match_indices("</").map(|(at, _)| at).find(is_end);
    ends.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn words_are_between_white_space() {
        let cases = [
            ("a", "a", true),
            ("a b", "b", true),
            ("ab abc\tabcd\n", "abc", true),
            ("ab", "a", false),
            ("ab", "b", false),
            ("x-a a-x", "a", false),
            ("&#97;", "a", true),
            ("a&amp;b", "a", false),
            ("a", "ab", false),
            ("", "a", false),
            ("a  b", "", false),
        ];
        for (value, word, expected) in cases {
            assert_eq!(has_word(value, word), expected, "{word} in {value:?}");
        }
    }
}
