//! Parses the source into a tree.
//!
//! The rules are those of HTML §13.2.6, as far as they determine how elements nest: implied `html`,
//! `head` and `body`, optional end tags, elements without content, raw text. Crossed tags are left
//! for browsers to repair: such an end tag is skipped. Like in libxml2 and unlike in browsers, no
//! `tbody` is implied, because rules are written for the page as it is.

use std::cell::OnceCell;

use super::attributes::is_space;
use super::find::find;
use super::name::{BODY, HTML, KnownTraits, MATH, P, SVG};
use super::named::Names;
use super::{Dom, Excess, Id, Kind, MAX_DEPTH, MAX_NODES, NONE, Name, Node, Traits};

/// The state of the page's skeleton.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Phase {
    BeforeHtml,
    BeforeHead,
    InHead,
    AfterHead,
    InBody,
    AfterBody,
}

#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) id: Id,
    pub(super) name: Name,
    pub(super) traits: Traits,
    last_child: Id,
}

/// The elements that have no children if they are written like `<div/>`, which browsers read as
/// `<div>`. Elements of SVG and MathML, and void elements, never have children in this form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SelfClosing {
    None,
    /// All elements except those whose content is text. Otherwise the text after a `<script/>`
    /// would become elements.
    NoText,
    All,
}

pub(super) struct Parser<'s> {
    pub(super) dom: Dom<'s>,
    pub(super) open: Vec<Open>,
    pub(super) phase: Phase,
    pub(super) self_closing: SelfClosing,
    /// Whether this is a fragment, which has no `html` of its own.
    pub(super) is_fragment: bool,
    /// The first of the comments after the body, if only white space is between them.
    pub(super) trailing: Id,
    /// Open elements of SVG and MathML roots, and of `p`.
    pub(super) foreign: usize,
    pub(super) paragraphs: usize,
    pub(super) traits: KnownTraits,
}

impl<'s> Parser<'s> {
    pub(super) fn new(source: &'s str, self_closing: SelfClosing) -> Self {
        let nodes = Vec::with_capacity(source.len() / 20 + 8);
        let attributes = Vec::with_capacity(source.len() / 40 + 8);
        let dom = Dom {
            source,
            nodes,
            attributes,
            ids: Vec::new(),
            classes: Vec::new(),
            words: OnceCell::new(),
            names: Names::new(),
        };
        let open = Vec::with_capacity(32);
        Self {
            dom,
            open,
            phase: Phase::BeforeHtml,
            self_closing,
            is_fragment: false,
            trailing: NONE,
            foreign: 0,
            paragraphs: 0,
            traits: KnownTraits::new(),
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), Excess> {
        if self.dom.source.len() > (u32::MAX / 2) as usize {
            return Err(Excess::Nodes);
        }
        self.push(Kind::Root, Name::of(b""), 0, 0)?;
        self.open.push(Open {
            id: 0,
            name: Name::of(b""),
            traits: Traits::of(HTML),
            last_child: NONE,
        });
        Ok(())
    }

    pub(super) fn go_on(mut self) -> Result<Dom<'s>, Excess> {
        let source = self.dom.source.as_bytes();
        let mut text = 0;
        let mut loose = false;
        let mut at = 0;
        while let Some(found) = find(b'<', &source[at..]) {
            let tag = at + found;
            let next = match source.get(tag + 1) {
                Some(byte) if byte.is_ascii_alphabetic() => {
                    self.text(text, tag, loose)?;
                    self.start_tag(tag)?
                }
                Some(b'/') => {
                    self.text(text, tag, loose)?;
                    self.end_tag(tag)?
                }
                Some(b'!' | b'?') => {
                    self.text(text, tag, loose)?;
                    self.declaration(tag)?
                }
                _ => {
                    loose = true;
                    at = tag + 1;
                    continue;
                }
            };
            (at, text, loose) = (next, next, false);
        }
        self.text(text, source.len(), loose)?;
        self.ensure_body(source.len())?;
        let mut trailing = self.take_trailing().into_iter().peekable();
        while let Some(top) = self.open.last() {
            // Comments before `</html>` belong to `html`, the others to the document.
            let closing = match top.name {
                HTML => self.dom.node(top.id).closing,
                _ if top.id == 0 => NONE,
                _ => 0,
            };
            while let Some(comment) = trailing.next_if(|comment| comment.start < closing) {
                self.push_again(comment)?;
            }
            let Some(top) = self.open.last() else { break };
            let explicit = matches!(top.name, HTML | BODY) && self.dom.node(top.id).closing != NONE;
            if explicit || top.id == 0 {
                self.leave();
            } else {
                self.leave_implied(source.len());
            }
        }
        Ok(self.dom)
    }

    pub(super) fn push(
        &mut self,
        kind: Kind,
        name: Name,
        start: usize,
        end: usize,
    ) -> Result<Id, Excess> {
        let id = self.dom.nodes.len() as Id;
        if self.dom.nodes.len() + self.dom.attributes.len() >= MAX_NODES {
            return Err(Excess::Nodes);
        }
        let (parent, previous) = match self.open.last_mut() {
            Some(top) => (top.id, std::mem::replace(&mut top.last_child, id)),
            None => (NONE, NONE),
        };
        let start = start as u32;
        let end = end as u32;
        self.dom.nodes.push(Node {
            kind,
            tidy: true,
            loose: false,
            name,
            parent,
            previous,
            after: id + 1,
            start,
            opened: end,
            closing: NONE,
            end,
            attributes: 0,
            attribute_count: 0,
            id: NONE,
            class: NONE,
            next_named: NONE,
        });
        Ok(id)
    }

    pub(super) fn push_element(
        &mut self,
        name: Name,
        start: usize,
        end: usize,
    ) -> Result<Id, Excess> {
        let id = self.push(Kind::Element, name, start, end)?;
        if let Some(before) = self.dom.names.add(name, id) {
            self.dom.nodes[before as usize].next_named = id;
        }
        Ok(id)
    }

    pub(super) fn enter(&mut self, id: Id, name: Name, traits: Traits) -> Result<(), Excess> {
        if self.open.len() > MAX_DEPTH {
            return Err(Excess::Depth);
        }
        self.open.push(Open {
            id,
            name,
            traits,
            last_child: NONE,
        });
        match name {
            SVG | MATH => self.foreign += 1,
            P => self.paragraphs += 1,
            _ => {}
        }
        Ok(())
    }

    /// The innermost open element no longer matches its source.
    pub(super) fn disturb(&mut self) {
        if let Some(top) = self.open.last() {
            self.dom.nodes[top.id as usize].tidy = false;
        }
    }

    /// Returns whether the next node, of any kind, goes into one of the head's elements.
    pub(super) fn is_inside_head_element(&self) -> bool {
        self.phase == Phase::InHead && self.open.len() > 3
    }

    #[inline]
    fn text(&mut self, from: usize, to: usize, loose: bool) -> Result<(), Excess> {
        if from == to {
            return Ok(());
        }
        self.text_between(from, to, loose)
    }

    fn text_between(&mut self, from: usize, to: usize, loose: bool) -> Result<(), Excess> {
        if self.phase < Phase::InBody && !self.is_inside_head_element() {
            let blank = self.dom.source.as_bytes()[from..to]
                .iter()
                .all(|byte| is_space(*byte));
            match (blank, self.phase) {
                (true, Phase::BeforeHtml | Phase::BeforeHead) => return Ok(()),
                (true, _) => {}
                (false, _) => self.ensure_body(from)?,
            }
        } else if self.phase == Phase::AfterBody {
            self.text_behind(from, to);
        }
        let id = self.push(Kind::Text, Name::of(b""), from, to)?;
        self.dom.nodes[id as usize].loose = loose;
        Ok(())
    }

    fn text_behind(&mut self, from: usize, to: usize) {
        if !self.dom.source.as_bytes()[from..to]
            .iter()
            .all(|byte| is_space(*byte))
        {
            self.trailing = NONE;
            self.disturb();
        }
    }
}
