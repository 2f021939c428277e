//! Decodes the reference of a tile from an attribute's value.

/// Returns the value of an attribute with character references resolved, as far as serializers
/// write them.
pub(crate) fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(&rest[1..]) {
            Some((character, after)) => {
                text.push(character);
                rest = after;
            }
            None => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The maximum length that is searched for the end of a reference. No reference is this long, even
/// with leading zeros.
const LONGEST: usize = 32;

/// Returns the character that a reference stands for, and the text after it. The end of the
/// reference is searched only within the maximum length.
fn reference(text: &str) -> Option<(char, &str)> {
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    Some((character(&text[..end])?, &text[end + 1..]))
}

fn character(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::unescape;

    #[test]
    fn character_references_are_resolved() {
        for (value, text) in [
            ("/a?b=1&amp;c=2", "/a?b=1&c=2"),
            ("&#47;&#x2f;&lt;&gt;&quot;&apos;", "//<>\"'"),
            ("a&b=1&c;&#xffffffff;&", "a&b=1&c;&#xffffffff;&"),
            (
                &format!("&#x000000000000002f;&{};", "\u{1f600}".repeat(8)),
                "/&\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600};",
            ),
        ] {
            assert_eq!(unescape(value), text);
        }
    }

    /// One mebibyte, which the parser accepts. Code that searched to the end of the text for each
    /// reference would need a minute.
    #[test]
    fn many_ampersands_cost_linear_time() {
        let value = "&".repeat(1 << 20);
        let began = Instant::now();
        assert_eq!(unescape(&value), value);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    }
}
