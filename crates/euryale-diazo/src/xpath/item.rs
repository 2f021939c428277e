//! A node of a document, or one of its attributes.

use std::borrow::Cow;

use crate::dom::{Dom, Id, Kind, NONE, ROOT, decode};

/// A node or one of its attributes. Items are ordered by document, and then by the position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// The number of the document; 0 is the content of the page.
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

    /// Returns another node of the same document.
    pub(crate) fn beside(self, node: Id) -> Self {
        Self::new(self.document, node)
    }

    /// Returns an attribute of this node.
    pub(crate) fn attribute(self, attribute: u32) -> Self {
        Self {
            attribute: attribute + 1,
            ..self
        }
    }

    pub(crate) fn as_attribute(self) -> Option<u32> {
        self.attribute.checked_sub(1)
    }

    /// Returns the name as it is in the source, or an empty string.
    pub(crate) fn name<'s>(self, dom: &Dom<'s>) -> &'s str {
        match self.as_attribute() {
            Some(attribute) => dom.attribute_name(attribute),
            None if dom.is_element(self.node) => dom.written_name(self.node),
            None => "",
        }
    }

    /// Returns the text, with references resolved.
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
    let node = dom.node(id);
    let text = dom.slice(node.start, node.end);
    if node.parent != NONE && dom.node(node.parent).name.is_raw() {
        return Cow::Borrowed(text);
    }
    decode(text)
}
