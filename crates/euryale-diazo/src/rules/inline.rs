//! HTML and instructions that are written in a rule.

use std::sync::Arc;

use super::instruction::{Instruction, Pattern};
use super::rule::Source;
use super::{Place, TestId};
use crate::dom::{escape_text, write_attribute};

/// The inline content of a rule.
#[derive(Debug)]
pub(crate) enum Inline {
    Html(String),
    /// `<include content="…"/>`.
    Include {
        source: Source,
        when: Vec<TestId>,
    },
    /// An include for the cache in front of the program.
    Edge {
        html: String,
        when: Vec<TestId>,
    },
    Do(Arc<Place>, Box<Instruction<Vec<Inline>>>),
}

impl Inline {
    pub(super) fn push_html(parts: &mut Vec<Self>) -> &mut String {
        if !matches!(parts.last(), Some(Self::Html(_))) {
            parts.push(Self::Html(String::new()));
        }
        match parts.last_mut() {
            Some(Self::Html(html)) => html,
            // The part was pushed above.
            _ => unreachable!("the last part is HTML"),
        }
    }

    pub(super) fn push_text(parts: &mut Vec<Self>, text: &str, raw: bool) {
        if text.is_empty() {
            return;
        }
        let html = Self::push_html(parts);
        if raw {
            html.push_str(text);
        } else {
            escape_text(html, text, false);
        }
    }
}

/// Writes a start tag whose attributes are the same on each page.
pub(crate) fn write_start(html: &mut String, name: &str, attributes: &[(String, Pattern)]) {
    html.push('<');
    html.push_str(name);
    for (name, value) in attributes {
        let mut escaped = String::new();
        escape_text(&mut escaped, value.fixed().unwrap_or_default(), false);
        write_attribute(html, name, &escaped, false);
    }
    html.push('>');
}
