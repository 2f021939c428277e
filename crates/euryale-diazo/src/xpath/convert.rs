//! Conversions of values to texts and numbers (XPath 1.0 §4.2 and §4.4).

use std::borrow::Cow;

use super::scope::Scope;
use super::value::{Value, show};
use crate::dom::written_text;
use crate::error::PageError;

impl<'a> Value<'a> {
    pub(crate) fn into_text(self, scope: &Scope<'a>) -> Result<Cow<'a, str>, PageError> {
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
                Cow::Owned(written_text(&html).into_owned())
            }
        })
    }

    pub(crate) fn into_number(self, scope: &Scope<'a>) -> Result<f64, PageError> {
        Ok(match self {
            Self::Number(number) => number,
            Self::Truth(truth) => f64::from(u8::from(truth)),
            other => scope.number(&other.into_text(scope)?)?,
        })
    }
}
