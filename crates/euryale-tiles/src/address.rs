//! The reference of a tile, as an attribute has it.

/// The value of an attribute, whose character references are resolved: those that serialisers write.
pub(crate) fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..].split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        match reference {
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
    use super::unescape;

    #[test]
    fn attributes_are_text() {
        for (value, text) in [
            ("/a?b=1&amp;c=2", "/a?b=1&c=2"),
            ("&#47;&#x2f;&lt;&gt;&quot;&apos;", "//<>\"'"),
            ("a&b=1&c;&#xffffffff;&", "a&b=1&c;&#xffffffff;&"),
        ] {
            assert_eq!(unescape(value), text);
        }
    }
}
