//! The name under which a file is saved.

use std::fmt::Write;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A `Content-Disposition` (RFC 6266), with a file name that is safe to send and safe to save.
///
/// ```
/// use euryale_blob::ContentDisposition;
///
/// let value = ContentDisposition::attachment("résumé \"final\".pdf").value();
/// assert_eq!(
///     value,
///     "attachment; filename=\"r_sum_ _final_.pdf\"; \
///      filename*=UTF-8''r%C3%A9sum%C3%A9%20%22final%22.pdf"
/// );
/// let mut response = euryale_core::Response::new(euryale_core::Body::default());
/// response.headers_mut().insert(http::header::CONTENT_DISPOSITION, value);
/// ```
///
/// A name that is not plain ASCII is sent twice: as `filename`, in which `_` replaces the
/// characters that old clients understand in different ways, and as `filename*` in UTF-8 (RFC
/// 8187), which all others prefer (RFC 6266 §4.3). Control characters, line separators and marks
/// that change the direction of writing (which would show `txt.exe` as `exe.txt`) are left out. `/`
/// and `\` become `_`, because a name is not a path. If nothing or only dots are left, no name is
/// sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDisposition {
    value: HeaderValue,
}

/// The characters of `filename*` that are not percent-encoded: `attr-char` of RFC 8187 §3.2.1.
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

impl ContentDisposition {
    /// Creates an `attachment`: the browser saves the file under this name.
    #[must_use]
    pub fn attachment(name: &str) -> Self {
        Self::new("attachment", name)
    }

    /// Creates an `inline` disposition: the browser shows the file, and suggests this name when the
    /// reader saves it. Do not use it for untrusted files: HTML and SVG would run as part of your
    /// site.
    #[must_use]
    pub fn inline(name: &str) -> Self {
        Self::new("inline", name)
    }

    /// Returns the value of the header field.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        self.value.clone()
    }

    fn new(kind: &'static str, name: &str) -> Self {
        let name: String = name
            .chars()
            .filter(|&c| !is_invisible(c))
            .map(not_a_separator)
            .collect();
        let name = name.trim();
        if name.chars().all(|c| c == '.') {
            return Self {
                value: HeaderValue::from_static(kind),
            };
        }
        let fallback: String = name
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        let mut value = format!("{kind}; filename=\"{fallback}\"");
        if fallback != name {
            // Writing to a string cannot fail.
            let _ = write!(
                value,
                "; filename*=UTF-8''{}",
                utf8_percent_encode(name, OTHERS)
            );
        }
        // The value is printable ASCII.
        Self {
            value: HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(kind)),
        }
    }
}

impl From<ContentDisposition> for HeaderValue {
    fn from(disposition: ContentDisposition) -> Self {
        disposition.value
    }
}

/// Returns whether all clients read this character in a quoted string in the same way. This
/// excludes escapes, and `%`, which some clients decode there (RFC 6266, appendix D).
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '%' | '\\')
}

fn not_a_separator(c: char) -> char {
    if matches!(c, '/' | '\\') { '_' } else { c }
}

/// Returns whether this is a control character, a separator of lines or paragraphs, or a mark of
/// direction, which is Unicode's `Bidi_Control` (UAX #9 §2) with all of its marks, embeddings,
/// overrides and isolates.
fn is_invisible(c: char) -> bool {
    let is_mark = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}');
    let turns = is_mark || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}
