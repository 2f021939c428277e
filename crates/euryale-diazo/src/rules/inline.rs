//! HTML that is written in a rule.

use roxmltree::{Node, NodeType};

use super::reader::{Reader, is_diazo};
use super::{Source, TestId};
use crate::dom::{Name, Traits, escape_text, write_attribute};
use crate::error::LoadError;

/// What a rule brings along.
#[derive(Debug)]
pub(crate) enum Inline {
    Html(String),
    /// `<include content="…"/>`.
    Include {
        source: Source,
        when: Vec<TestId>,
    },
}

/// Elements in elements: what a rules file may have of them.
const MAX_DEPTH: usize = 100;

impl Reader {
    /// The inline content of a rule.
    pub(super) fn inline(&mut self, rule: Node<'_, '_>) -> Result<Vec<Inline>, LoadError> {
        let mut parts = Vec::new();
        let mut html = String::new();
        for child in rule.children() {
            self.inline_node(child, &mut html, &mut parts, 0)?;
        }
        if !html.is_empty() {
            parts.push(Inline::Html(html));
        }
        Ok(parts)
    }

    fn inline_node(
        &mut self,
        node: Node<'_, '_>,
        html: &mut String,
        parts: &mut Vec<Inline>,
        depth: usize,
    ) -> Result<(), LoadError> {
        match node.node_type() {
            NodeType::Text => {
                let text = node.text().unwrap_or_default();
                let parent = node
                    .parent_element()
                    .map_or("", |parent| parent.tag_name().name());
                if Traits::of(Name::of(parent.as_bytes())).has(Traits::RAW) {
                    html.push_str(text);
                } else {
                    escape_text(html, text, false);
                }
            }
            NodeType::Comment => {
                html.push_str("<!--");
                html.push_str(node.text().unwrap_or_default());
                html.push_str("-->");
            }
            NodeType::Element if is_diazo(node) && node.tag_name().name() == "include" => {
                if !html.is_empty() {
                    parts.push(Inline::Html(std::mem::take(html)));
                }
                let (source, when) = self.include(node)?;
                parts.push(Inline::Include { source, when });
            }
            NodeType::Element => {
                self.refuse_foreign(node)?;
                if depth == MAX_DEPTH {
                    return Err(self.error(
                        node,
                        format!("more than {MAX_DEPTH} elements in each other"),
                    ));
                }
                let name = node.tag_name().name();
                html.push('<');
                html.push_str(name);
                for attribute in node.attributes() {
                    let prefix = attribute
                        .namespace()
                        .and_then(|namespace| node.lookup_prefix(namespace));
                    let name = match prefix {
                        Some(prefix) => format!("{prefix}:{}", attribute.name()),
                        None => attribute.name().to_owned(),
                    };
                    let mut value = String::new();
                    escape_text(&mut value, attribute.value(), false);
                    write_attribute(html, &name, &value, false);
                }
                html.push('>');
                for child in node.children() {
                    self.inline_node(child, html, parts, depth + 1)?;
                }
                if !Traits::of(Name::of(name.as_bytes())).has(Traits::VOID) {
                    html.push_str("</");
                    html.push_str(name);
                    html.push('>');
                }
            }
            NodeType::PI | NodeType::Root => {}
        }
        Ok(())
    }
}
