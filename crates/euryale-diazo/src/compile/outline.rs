//! The nodes that rules select, kept for explanations. Pages do not need them.

use super::When;
use super::template::Prepared;
use crate::dom::{Dom, Id, Kind};
use crate::rules::{Action, ContentRule, ContentTarget, Place};
use crate::xpath::{Expr, Item};

/// The maximum number of characters of a name, an id or a text that are shown.
const SHOWN: usize = 40;

/// A rule about a theme, with the nodes that it found there.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) place: Place,
    pub(crate) action: Action,
    pub(crate) when: When,
    /// Empty if the rule is about nothing in the theme.
    pub(crate) targets: Vec<Id>,
    /// The sources of its content, each with its conditions.
    pub(crate) sources: Vec<(u32, When)>,
}

impl Applied {
    pub(super) fn new(rule: &Prepared, targets: Vec<Id>) -> Self {
        let mut sources = Vec::new();
        rule.block.each_source(&rule.when, &mut |source, when| {
            sources.push((source, when.clone()));
        });
        Self {
            place: rule.place.clone(),
            action: rule.action,
            when: rule.when.clone(),
            targets,
            sources,
        }
    }
}

/// A rule about the content, or a template.
#[derive(Debug)]
pub(crate) struct AboutContent {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    /// The parts of the selector, of which it is a union.
    pub(crate) parts: Vec<Expr>,
    pub(crate) when: When,
}

impl AboutContent {
    pub(super) fn new(rule: &ContentRule) -> Self {
        let name = match rule.target {
            ContentTarget::Drop => "drop",
            ContentTarget::DropAttributes(_) => "drop attributes",
            ContentTarget::Strip => "strip",
            ContentTarget::Before { .. } => "before",
            ContentTarget::After { .. } => "after",
            ContentTarget::Replace { .. } => "replace",
            ContentTarget::Template { .. } => "xsl:template",
        };
        Self {
            place: rule.place.clone(),
            name,
            parts: rule.patterns.iter().map(|(part, _)| part.clone()).collect(),
            when: rule.when.clone(),
        }
    }
}

/// Returns a node in a form that people recognize: `div#main.wide`, `@href` or a piece of its text.
pub(crate) fn shown(dom: &Dom<'_>, item: Item) -> String {
    let short = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        let mut chars = words.chars();
        let mut shown: String = chars.by_ref().take(SHOWN).collect();
        if chars.next().is_some() {
            shown.push('…');
        }
        shown
    };
    if let Some(attribute) = item.as_attribute() {
        return format!("@{}", short(dom.attribute_name(attribute)));
    }
    let node = dom.node(item.node);
    match node.kind {
        Kind::Root => "the document".to_owned(),
        Kind::Text => format!("\"{}\"", short(dom.slice(node.start, node.end))),
        Kind::Comment => format!("<!--{}-->", short(dom.comment(item.node))),
        Kind::Doctype => "the doctype".to_owned(),
        Kind::Element => {
            let mut name = short(dom.written_name(item.node));
            let of = |name| Some(short(dom.attribute_value(dom.attribute(item.node, name)?)));
            if let Some(id) = of("id") {
                name.push('#');
                name.push_str(&id);
            }
            for class in of("class").unwrap_or_default().split(' ') {
                if !class.is_empty() {
                    name.push('.');
                    name.push_str(class);
                }
            }
            name
        }
    }
}
