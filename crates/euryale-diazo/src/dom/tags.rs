//! Start tags and end tags.

use super::attributes::{Opened, name_at};
use super::name::{BODY, HEAD, HTML, MATH, NOSCRIPT, SVG};
use super::parse::{Parser, Phase, SelfClosing};
use super::{Excess, NONE, Name, Traits};

impl Parser<'_> {
    fn discard(&mut self, tag: &Opened) {
        self.dom.attributes.truncate(tag.attributes as usize);
        self.disturb();
    }

    pub(super) fn start_tag(&mut self, start: usize) -> Result<usize, Excess> {
        let source = self.dom.source.as_bytes();
        let (name, named) = name_at(source, start + 1);
        let traits = self.traits.of(name);
        // Elements that a tag implies precede it, also in the order of nodes.
        let is_new = self.prepare(name, traits, start)?;
        let Some(tag) = self.rest_of_tag(named) else {
            return Ok(source.len());
        };
        if !is_new {
            self.discard(&tag);
            return Ok(tag.end);
        }
        let id = self.push_element(name, start, tag.end)?;
        let node = &mut self.dom.nodes[id as usize];
        (node.attributes, node.attribute_count) = (tag.attributes, tag.count);
        (node.id, node.class) = (tag.id, tag.class);
        if tag.id != NONE {
            self.dom.ids.push(id);
        }
        if tag.class != NONE {
            self.dom.classes.push(id);
        }
        if traits.has(Traits::VOID)
            || (tag.closes_itself && (self.foreign > 0 || matches!(name, SVG | MATH)))
        {
            return Ok(tag.end);
        }
        if tag.closes_itself && self.may_close_itself(name, traits) {
            // The element needs an end tag wherever it is written.
            self.dom.nodes[id as usize].tidy = false;
            self.disturb();
            return Ok(tag.end);
        }
        self.enter(id, name, traits)?;
        if self.phase < Phase::InBody {
            match name {
                HTML => self.phase = Phase::BeforeHead,
                HEAD => self.phase = Phase::InHead,
                BODY => self.phase = Phase::InBody,
                _ => {}
            }
        }
        let raw = traits.has(Traits::RAW | Traits::RCDATA) && self.foreign == 0;
        if raw || (name == NOSCRIPT && self.phase < Phase::InBody) {
            return self.raw_text(&source[start + 1..named], name, tag.end);
        }
        Ok(tag.end)
    }

    /// Returns whether an element that is written like `<div/>` has no children.
    fn may_close_itself(&self, name: Name, traits: Traits) -> bool {
        let may = match self.self_closing {
            SelfClosing::None => false,
            SelfClosing::NoText => !traits.has(Traits::RAW | Traits::RCDATA),
            SelfClosing::All => true,
        };
        may && !matches!(name, HTML | HEAD | BODY)
    }

    pub(super) fn end_tag(&mut self, start: usize) -> Result<usize, Excess> {
        let source = self.dom.source.as_bytes();
        // Most end tags close the innermost element.
        if self.open.len() > 3
            && let Some(open) = self.open.last()
            && let Some(end) = open.name.end_tag(source, start)
        {
            self.close_last(start, end);
            return Ok(end);
        }
        match source.get(start + 2) {
            Some(byte) if byte.is_ascii_alphabetic() => {}
            Some(b'>') => {
                self.disturb();
                return Ok(start + 3);
            }
            _ => return self.bogus_comment(start),
        }
        let (name, named) = name_at(source, start + 2);
        let Some(end) = self.end_of_tag(named) else {
            return Ok(source.len());
        };
        match name {
            HEAD if self.phase == Phase::InHead => {
                while self.open.len() > 3 {
                    self.leave_implied(start);
                }
                self.set_end(2, start, end);
                self.phase = Phase::AfterHead;
            }
            HTML | BODY => {
                self.ensure_body(start)?;
                while self.open.len() > 3 {
                    self.leave_implied(start);
                }
                self.set_end(if name == BODY { 2 } else { 1 }, start, end);
                self.phase = Phase::AfterBody;
            }
            _ if self.close(name, start, end) => {}
            _ => self.disturb(),
        }
        Ok(end)
    }
}
