//! The values of expressions (XPath 1.0 §1 and §4).

use std::borrow::Cow;

use std::rc::Rc;

use super::eval::Scope;
use crate::dom::{Dom, Id, Kind, NONE, ROOT, decode, written_text};
use crate::error::PageError;

/// A node or one of its attributes. They order by document, and then as they are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// 0 is the content of the page.
    pub(crate) document: u32,
    pub(crate) node: Id,
    /// One more than the attribute's index; 0 for the node itself.
    attribute: u32,
}

impl Item {
    /// The content of the page.
    pub(crate) const TOP: Self = Self {
        document: 0,
        node: ROOT,
        attribute: 0,
    };

    pub(crate) fn new(document: u32, node: Id) -> Self {
        Self {
            document,
            node,
            attribute: 0,
        }
    }

    /// Another node of the same document.
    pub(crate) fn beside(self, node: Id) -> Self {
        Self::new(self.document, node)
    }

    /// An attribute of this node.
    pub(crate) fn attribute(self, attribute: u32) -> Self {
        Self {
            attribute: attribute + 1,
            ..self
        }
    }

    pub(crate) fn as_attribute(self) -> Option<u32> {
        self.attribute.checked_sub(1)
    }

    /// What it says, with references resolved.
    pub(crate) fn text<'s>(self, dom: &Dom<'s>) -> Cow<'s, str> {
        if let Some(attribute) = self.as_attribute() {
            return decode(dom.attribute_value(attribute));
        }
        let node = dom.node(self.node);
        match node.kind {
            Kind::Text => text_of(dom, self.node),
            Kind::Comment => Cow::Owned(dom.comment(self.node).to_owned()),
            Kind::Doctype => Cow::Borrowed(""),
            Kind::Root | Kind::Element => {
                let mut texts =
                    (self.node + 1..node.after).filter(|id| dom.node(*id).kind == Kind::Text);
                let Some(first) = texts.next() else {
                    return Cow::Borrowed("");
                };
                let first = text_of(dom, first);
                match texts.next() {
                    None => first,
                    Some(second) => {
                        let mut all = first.into_owned();
                        all.push_str(&text_of(dom, second));
                        texts.for_each(|text| all.push_str(&text_of(dom, text)));
                        Cow::Owned(all)
                    }
                }
            }
        }
    }
}

fn text_of<'s>(dom: &Dom<'s>, id: Id) -> Cow<'s, str> {
    use crate::dom::Traits;
    let node = dom.node(id);
    let text = dom.slice(node.start, node.end);
    if node.parent != NONE && Traits::of(dom.node(node.parent).name).has(Traits::RAW) {
        return Cow::Borrowed(text);
    }
    decode(text)
}

/// The value of an expression. Strings borrow from the page, the expression or the parameters.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Nodes(Vec<Item>),
    Truth(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// What the body of a variable wrote, as HTML (XSLT 1.0 §11.1).
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
                scope.budget.spend(html.len() / 2)?;
                Cow::Owned(written_text(&html))
            }
        })
    }

    pub(crate) fn into_number(self, scope: Scope<'a>) -> Result<f64, PageError> {
        Ok(match self {
            Self::Number(number) => number,
            Self::Truth(truth) => f64::from(u8::from(truth)),
            other => number_of(&other.into_text(scope)?),
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
