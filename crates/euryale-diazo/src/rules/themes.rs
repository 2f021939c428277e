//! Reads themes: HTML in files, or in the rules.

use std::path::Path;

use roxmltree::Node;

use super::Place;
use super::body::Inside;
use super::inline::Inline;
use super::instruction::{Instruction, NamePattern, Pattern};
use super::reader::Reader;
use super::theme::{Computed, MARK, ThemeFile, ThemeHtml};
use crate::dom::{Name, Traits, escape_text, write_attribute};
use crate::error::LoadError;

impl Reader {
    pub(super) fn theme(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        self.check_attributes(node, &["href", "prefix"])?;
        let has_html = node.children().any(|child| child.is_element());
        let html = match node.attribute("href") {
            Some(_) if has_html => {
                return Err(self.error(node, "href and HTML: a <theme> takes one of them"));
            }
            Some(href) => {
                let file = self.beside(node, href)?;
                let source = self.text(&file, Some(&self.error(node, "")))?;
                ThemeHtml {
                    prefix: node.attribute("prefix").map(str::to_owned),
                    ..ThemeHtml::of(file, source)
                }
            }
            None if has_html => self.inline_theme(node)?,
            None => return Err(self.error(node, "<theme> needs an href, or HTML in it")),
        };
        let theme = ThemeFile {
            place: self.place(node),
            when: self.all_conditions(node)?,
            html: Some(html),
        };
        self.rules.themes.push(theme);
        Ok(())
    }

    pub(super) fn notheme(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        self.check_attributes(node, &[])?;
        let theme = ThemeFile {
            place: self.place(node),
            when: self.all_conditions(node)?,
            html: None,
        };
        self.rules.themes.push(theme);
        Ok(())
    }

    /// Reads a theme that the rules do not name.
    pub(super) fn added_theme(&mut self, file: &Path) -> Result<(), LoadError> {
        let is_chosen = |theme: &ThemeFile| theme.html.is_some() && theme.when.is_empty();
        if self.rules.themes.iter().any(is_chosen) {
            return Ok(());
        }
        let source = self.text(file, None)?;
        let file = file.to_owned();
        self.rules.themes.push(ThemeFile {
            place: Place {
                file: file.clone(),
                line: 1,
            },
            when: Vec::new(),
            html: Some(ThemeHtml::of(file, source)),
        });
        Ok(())
    }

    /// Reads the HTML inside a `<theme>`. Parts that depend on the page become marks in it, so that
    /// rules find the elements around them.
    fn inline_theme(&mut self, node: Node<'_, '_>) -> Result<ThemeHtml, LoadError> {
        let outer = std::mem::take(&mut self.slots);
        let parts = self.body(node, Inside::rule(false))?;
        let frame = std::mem::replace(&mut self.slots, outer);
        let mut html = String::new();
        let mut computed = Vec::new();
        flatten(parts, false, &mut html, &mut computed);
        let mut elements = node.children().filter(Node::is_element);
        let is_whole = elements.any(|child| child.tag_name().name().eq_ignore_ascii_case("html"));
        Ok(ThemeHtml {
            is_fragment: !is_whole,
            is_inline: true,
            computed,
            frame,
            ..ThemeHtml::of(self.file.clone(), html)
        })
    }
}

fn flatten(parts: Vec<Inline>, raw: bool, html: &mut String, computed: &mut Vec<Computed>) {
    for part in parts {
        match part {
            Inline::Html(text) => html.push_str(&text),
            Inline::Do(place, instruction) => match *instruction {
                Instruction::Element {
                    name: NamePattern::Fixed { name, .. },
                    attributes,
                    body,
                } => element(&name, attributes, body, html, computed),
                other => {
                    let part = Inline::Do(place, Box::new(other));
                    mark(Computed::Part(part), raw, html, computed);
                }
            },
            other => mark(Computed::Part(other), raw, html, computed),
        }
    }
}

fn element(
    name: &str,
    attributes: Vec<(String, Pattern)>,
    body: Vec<Inline>,
    html: &mut String,
    computed: &mut Vec<Computed>,
) {
    html.push('<');
    html.push_str(name);
    for (name, value) in attributes {
        let mut escaped = String::new();
        match value.fixed() {
            Some(fixed) => escape_text(&mut escaped, fixed, false),
            None => mark(Computed::Value(value), true, &mut escaped, computed),
        }
        write_attribute(html, &name, &escaped, false);
    }
    html.push('>');
    let traits = Traits::of(Name::of(name.as_bytes()));
    flatten(
        body,
        traits.has(Traits::RAW | Traits::RCDATA),
        html,
        computed,
    );
    if !traits.has(Traits::VOID) {
        html.push_str("</");
        html.push_str(name);
        html.push('>');
    }
}

/// Writes a mark. Between tags the mark is in a comment, which is allowed anywhere.
fn mark(part: Computed, is_bare: bool, html: &mut String, computed: &mut Vec<Computed>) {
    let number = computed.len();
    computed.push(part);
    html.push_str(&if is_bare {
        format!("{MARK}{number}{MARK}")
    } else {
        format!("<!--{MARK}{number}{MARK}-->")
    });
}
