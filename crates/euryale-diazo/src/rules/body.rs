//! Reads the HTML and the instructions in a rule.

use roxmltree::{Node, NodeType};

use super::include::Included;
use super::inline::{Inline, write_start};
use super::instruction::{Instruction, NamePattern, Part, Pattern};
use super::namespace::{XINCLUDE, XSLT, is_diazo, is_xinclude, is_xslt};
use super::reader::Reader;
use crate::dom::{Name, Traits, write_comment};
use crate::error::LoadError;

/// The maximum depth of nested elements in a rules file.
const MAX_DEPTH: usize = 100;

/// A place in a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    /// Whether comments and white space between elements are left out, as in a template or a rule
    /// about the content. In a rule about the theme they are kept.
    pub(super) strips: bool,
    /// Whether the place is in a script or a style.
    pub(super) raw: bool,
    depth: usize,
}

impl Inside {
    pub(super) fn rule(strips: bool) -> Self {
        Self {
            strips,
            raw: false,
            depth: 0,
        }
    }

    pub(super) fn deeper(self, reader: &Reader, node: Node<'_, '_>) -> Result<Self, LoadError> {
        if self.depth == MAX_DEPTH {
            let what = format!("more than {MAX_DEPTH} elements in each other");
            return Err(reader.error(node, what));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl Reader {
    /// Reads the inline content of a rule about the theme.
    pub(super) fn inline(&mut self, rule: Node<'_, '_>) -> Result<Vec<Inline>, LoadError> {
        self.framed(rule, Inside::rule(false))
    }

    /// Reads the inline content of a rule about the content.
    pub(super) fn content_inline(&mut self, rule: Node<'_, '_>) -> Result<Vec<Inline>, LoadError> {
        self.framed(rule, Inside::rule(true))
    }

    /// Reads the content of a rule, with a frame if it has variables.
    fn framed(&mut self, rule: Node<'_, '_>, inside: Inside) -> Result<Vec<Inline>, LoadError> {
        let outer = std::mem::take(&mut self.slots);
        let body = self.body(rule, inside)?;
        let size = std::mem::replace(&mut self.slots, outer);
        if size == 0 {
            return Ok(body);
        }
        let frame = Instruction::Frame { size, body };
        Ok(vec![Inline::Do(self.place(rule).into(), Box::new(frame))])
    }

    pub(super) fn inline_node(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
        parts: &mut Vec<Inline>,
    ) -> Result<(), LoadError> {
        match node.node_type() {
            NodeType::Text => {
                let text = node.text().unwrap_or_default();
                let in_xslt = node.parent_element().is_some_and(is_xslt);
                let is_blank = text.chars().all(|c| c.is_ascii_whitespace());
                if !(is_blank && (inside.strips || in_xslt)) {
                    Inline::push_text(parts, text, inside.raw);
                }
            }
            NodeType::Comment if !inside.strips => {
                let text = node.text().unwrap_or_default();
                write_comment(Inline::push_html(parts), text);
            }
            NodeType::Element if is_xslt(node) => self.instruction(node, inside, parts)?,
            NodeType::Element if is_diazo(node) && node.tag_name().name() == "include" => {
                parts.push(self.include(node)?);
            }
            NodeType::Element if is_xinclude(node) => self.inline_file(node, inside, parts)?,
            NodeType::Element if node.tag_name().namespace() == Some(XINCLUDE) => {
                let name = node.tag_name().name();
                return Err(self.error(node, format!("<xi:{name}> is not inside <xi:include>")));
            }
            NodeType::Element => self.element(node, inside, parts)?,
            NodeType::Comment | NodeType::PI | NodeType::Root => {}
        }
        Ok(())
    }

    /// Reads a file with a part of a rule.
    fn inline_file(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
        parts: &mut Vec<Inline>,
    ) -> Result<(), LoadError> {
        let inside = inside.deeper(self, node)?;
        self.included(node, |reader, included| match included {
            Included::Root(root) => reader.inline_node(root, inside, parts),
            Included::Text(text) => {
                Inline::push_text(parts, &text, inside.raw);
                Ok(())
            }
            Included::Fallback(fallback) => fallback
                .children()
                .try_for_each(|child| reader.inline_node(child, inside, parts)),
        })
    }

    /// Reads an element that is written into the page. One without instructions is a single piece
    /// of HTML.
    fn element(
        &mut self,
        node: Node<'_, '_>,
        inside: Inside,
        parts: &mut Vec<Inline>,
    ) -> Result<(), LoadError> {
        let name = node.tag_name().name();
        let traits = Traits::of(Name::of(name.as_bytes()));
        let mut attributes = Vec::new();
        for attribute in node.attributes() {
            if attribute.namespace() == Some(XSLT) {
                continue;
            }
            let prefix = attribute
                .namespace()
                .and_then(|namespace| node.lookup_prefix(namespace));
            let name = match prefix {
                Some(prefix) => format!("{prefix}:{}", attribute.name()),
                None => attribute.name().to_owned(),
            };
            attributes.push((name, self.template(node, attribute.value())?));
        }
        let inside = Inside {
            raw: traits.has(Traits::RAW),
            ..inside
        };
        let body = self.body(node, inside)?;
        let is_fixed = attributes.iter().all(|(_, value)| value.fixed().is_some());
        let text = match body.as_slice() {
            [] => Some(""),
            [Inline::Html(html)] => Some(html.as_str()),
            _ => None,
        };
        let Some(text) = text.filter(|_| is_fixed) else {
            let element = Instruction::Element {
                name: NamePattern::new(Pattern(vec![Part::Text(name.to_owned())])),
                attributes,
                body,
            };
            parts.push(Inline::Do(self.place(node).into(), Box::new(element)));
            return Ok(());
        };
        let html = Inline::push_html(parts);
        write_start(html, name, &attributes);
        html.push_str(text);
        if !traits.has(Traits::VOID) {
            html.push_str("</");
            html.push_str(name);
            html.push('>');
        }
        Ok(())
    }
}
