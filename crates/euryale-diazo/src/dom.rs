//! A page as a tree of positions in its source.
//!
//! Parsing copies and decodes nothing: a node only has its start and its end. Nodes are in document
//! order, so the descendants of a node are a range, and parts without rules are passed on byte for
//! byte.

mod attributes;
mod closing;
mod find;
mod name;
mod named;
mod parse;
mod raw;
mod read;
mod skeleton;
mod tags;
#[cfg(test)]
mod tests;
mod text;
mod words;
mod write;

use std::cell::OnceCell;

pub(crate) use self::name::{BODY, HEAD, HTML, Name, Traits, is_name, is_void};
use self::named::Names;
pub(crate) use self::text::{decode, escape_text, has_word, written_text};
pub(crate) use self::words::Words;
pub(crate) use self::write::{write_attribute, write_attribute_of_text, write_comment};

/// The index of a node.
pub(crate) type Id = u32;

/// The index that stands for no node or no attribute.
pub(crate) const NONE: u32 = u32::MAX;
/// The document itself.
pub(crate) const ROOT: Id = 0;

/// The maximum depth of nested elements, which is also that of browsers.
pub(crate) const MAX_DEPTH: usize = 512;
/// The maximum number of nodes and attributes of a page.
const MAX_NODES: usize = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    Element,
    Text,
    Comment,
    Doctype,
}

/// One node. All positions are byte offsets in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Whether the source matches the tree, so that the bytes from `start` to `end` can be copied
    /// unchanged.
    pub(crate) tidy: bool,
    /// Whether this is a text with a `<` that does not begin a tag.
    pub(crate) loose: bool,
    pub(crate) name: Name,
    pub(crate) parent: Id,
    pub(crate) previous: Id,
    /// The first node after its descendants.
    pub(crate) after: Id,
    pub(crate) start: u32,
    /// The end of the start tag.
    pub(crate) opened: u32,
    /// The start of the end tag, if it has one.
    pub(crate) closing: u32,
    pub(crate) end: u32,
    pub(crate) attributes: u32,
    pub(crate) attribute_count: u32,
    pub(crate) id: u32,
    pub(crate) class: u32,
    /// The next element in the list of names.
    next_named: Id,
}

/// One attribute of an element, as in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    name: (u32, u32),
    value: (u32, u32),
    /// Whether the attribute has no `=`.
    pub(crate) bare: bool,
}

/// The reason why a page has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Depth,
    Nodes,
}

/// A parsed page.
#[derive(Debug)]
pub(crate) struct Dom<'s> {
    pub(crate) source: &'s str,
    pub(crate) nodes: Vec<Node>,
    pub(crate) attributes: Vec<Attribute>,
    /// Elements with an `id`, in document order.
    pub(crate) ids: Vec<Id>,
    /// Elements with a `class`, in document order.
    pub(crate) classes: Vec<Id>,
    /// Their words, once a rule has asked for a class.
    words: OnceCell<Vec<Words>>,
    names: Names,
}

impl<'s> Dom<'s> {
    /// Returns the number of bytes of a node in the source.
    pub(crate) fn length(&self, id: Id) -> usize {
        match self.node(id) {
            Node {
                kind: Kind::Root, ..
            } => self.source.len(),
            node => node.end.saturating_sub(node.start) as usize,
        }
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn slice(&self, from: u32, to: u32) -> &'s str {
        &self.source[from as usize..to as usize]
    }

    pub(crate) fn first_child(&self, id: Id) -> Option<Id> {
        (id + 1 < self.node(id).after).then_some(id + 1)
    }

    pub(crate) fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        self.side_by_side(id + 1, self.node(id).after)
    }

    /// The words of the elements with a `class`.
    pub(crate) fn words_of_classes(&self) -> &[Words] {
        self.words.get_or_init(|| {
            let classes = self.classes.iter();
            let words = classes.map(|id| Words::of(self.attribute_value(self.node(*id).class)));
            words.collect()
        })
    }

    /// Returns the elements with this name, and some with other names, in document order.
    pub(crate) fn list_of(&self, name: Name) -> impl Iterator<Item = Id> + '_ {
        let some = |id: Id| (id != NONE).then_some(id);
        std::iter::successors(some(self.names.first(name)), move |id| {
            some(self.node(*id).next_named)
        })
    }

    pub(crate) fn is_element(&self, id: Id) -> bool {
        self.node(id).kind == Kind::Element
    }

    /// Returns the ancestors, from the nearest to the farthest.
    pub(crate) fn ancestors(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        self.chain(id, |node| node.parent)
    }

    /// Returns the siblings before the node, from the nearest to the farthest.
    pub(crate) fn siblings_before(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        self.chain(id, |node| node.previous)
    }

    fn chain(&self, id: Id, next: fn(&Node) -> Id) -> impl Iterator<Item = Id> + '_ {
        let some = |id: Id| (id != NONE).then_some(id);
        std::iter::successors(some(next(self.node(id))), move |id| {
            some(next(self.node(*id)))
        })
    }

    /// Returns the siblings after the node.
    pub(crate) fn siblings_after(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let node = self.node(id);
        let end = match node.parent {
            NONE => node.after,
            parent => self.node(parent).after,
        };
        self.side_by_side(node.after, end)
    }

    /// Returns a node, and the siblings after it up to the end of their parent.
    fn side_by_side(&self, first: Id, end: Id) -> impl Iterator<Item = Id> + '_ {
        let mut next = first;
        std::iter::from_fn(move || {
            let id = next;
            (id < end).then(|| {
                next = self.node(id).after;
                id
            })
        })
    }

    /// Returns the name of an element as it is in the source.
    pub(crate) fn written_name(&self, id: Id) -> &'s str {
        let node = self.node(id);
        match node.name {
            // Implied elements are not in the source.
            name if node.start == node.opened => [("html", HTML), ("head", HEAD), ("body", BODY)]
                .iter()
                .find(|(_, implied)| *implied == name)
                .map_or("", |(text, _)| text),
            _ => {
                let tag = self.slice(node.start + 1, node.opened);
                let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
                &tag[..end.unwrap_or(tag.len())]
            }
        }
    }

    pub(crate) fn attributes_of(&self, id: Id) -> impl Iterator<Item = u32> + use<> {
        let node = self.node(id);
        node.attributes..node.attributes + node.attribute_count
    }

    pub(crate) fn attribute_name(&self, attribute: u32) -> &'s str {
        let (from, to) = self.attributes[attribute as usize].name;
        self.slice(from, to)
    }

    /// Returns the value as it is in the source, with references and without quotes.
    pub(crate) fn attribute_value(&self, attribute: u32) -> &'s str {
        let (from, to) = self.attributes[attribute as usize].value;
        self.slice(from, to)
    }

    /// Returns the number of attributes that [`attribute`](Self::attribute) may compare.
    pub(crate) fn search_cost(&self, id: Id, name: &str) -> usize {
        match name {
            "id" | "class" => 0,
            _ => self.node(id).attribute_count as usize,
        }
    }

    pub(crate) fn attribute(&self, id: Id, name: &str) -> Option<u32> {
        let node = self.node(id);
        match name {
            "id" => (node.id != NONE).then_some(node.id),
            "class" => (node.class != NONE).then_some(node.class),
            _ => self
                .attributes_of(id)
                .find(|at| self.attribute_name(*at).eq_ignore_ascii_case(name)),
        }
    }
}
