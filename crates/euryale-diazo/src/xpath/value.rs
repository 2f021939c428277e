//! The values of expressions (XPath 1.0 §1 and §4).

use std::borrow::Cow;
use std::rc::Rc;

use super::eval::Scope;
use super::item::Item;
use crate::dom::written_text;
use crate::error::PageError;

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

impl<'a> Value<'a> {
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nodes(nodes) => !nodes.is_empty(),
            Self::Truth(truth) => *truth,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Fragment(_) => true,
        }
    }

    pub(crate) fn into_text(self, scope: Scope<'a>) -> Result<Cow<'a, str>, PageError> {
        Ok(match self {
            Self::Nodes(nodes) => match nodes.first() {
                Some(first) => scope.text(*first)?,
                None => Cow::Borrowed(""),
            },
            Self::Truth(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            Self::Number(number) => Cow::Owned(show(number)),
            Self::Text(text) => text,
            Self::Fragment(html) => {
                // Tags are skipped byte by byte.
                scope.budget.spend(html.len())?;
                Cow::Owned(written_text(&html))
            }
        })
    }

    pub(crate) fn into_number(self, scope: Scope<'a>) -> Result<f64, PageError> {
        Ok(match self {
            Self::Number(number) => number,
            Self::Truth(truth) => f64::from(u8::from(truth)),
            other => scope.number(&other.into_text(scope)?)?,
        })
    }
}

/// XPath 1.0 §4.4.
pub(crate) fn number_of(text: &str) -> f64 {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    // Rust reads more than XPath does: exponents, `inf`, a plus sign.
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    if plain {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

fn show(number: f64) -> String {
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
