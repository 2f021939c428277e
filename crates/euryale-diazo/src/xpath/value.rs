//! The values of expressions (XPath 1.0 §1 and §4).

use std::borrow::Cow;
use std::rc::Rc;

use super::item::Item;
/// The value of an expression. Strings borrow from the page, the expression or the parameters.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Nodes(Vec<Item>),
    Truth(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// The output of a variable's body, as HTML (XSLT 1.0 §11.1).
    Fragment(Rc<str>),
}

impl Value<'_> {
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nodes(nodes) => !nodes.is_empty(),
            Self::Truth(truth) => *truth,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Fragment(_) => true,
        }
    }
}

/// Converts a text to a number (XPath 1.0 §4.4).
pub(crate) fn number_of(text: &str) -> f64 {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    // Rust accepts more forms than XPath: exponents, `inf`, a plus sign.
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    if plain {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// Returns the text of a number (XPath 1.0 §4.2).
pub(super) fn show(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned(),
        _ if number == 0.0 => "0".to_owned(),
        _ => number.to_string(),
    }
}
