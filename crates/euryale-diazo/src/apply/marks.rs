//! Marks of the nodes of a document for which there are rules about the content.

use crate::dom::Id;

/// The fate of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Main {
    /// The node itself is copied, but there is a rule about one of its attributes.
    Copy,
    Drop,
    Strip,
    /// The content that the groups put around it.
    Around,
    /// The index of the pattern that replaces its children.
    ReplaceChildren(usize),
    /// The template that determines its output.
    Template(u32),
}

/// The rules about one node. For each place, the last group counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) main: Main,
    pub(super) before: Option<usize>,
    pub(super) before_children: Option<usize>,
    pub(super) replace: Option<usize>,
    pub(super) after_children: Option<usize>,
    pub(super) after: Option<usize>,
}

/// All marks of a document, in document order.
#[derive(Debug, Default)]
pub(super) struct Marks {
    nodes: Vec<Id>,
    /// For each of these nodes.
    marks: Vec<Mark>,
    /// The attributes for which there are rules, sorted, and those of one attribute in the order of
    /// the rules. The last one counts.
    attributes: Vec<(u32, Fate)>,
    /// Whether there are templates for attributes.
    has_templates: bool,
}

/// The effect of a rule on an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Drop,
    /// The template that determines its output.
    Template(u32),
}

impl Marks {
    /// Returns the first mark of a node or of those after it, and its node.
    pub(super) fn from(&self, id: Id) -> Option<(Id, &Mark)> {
        let first = self.nodes.partition_point(|node| *node < id);
        Some((*self.nodes.get(first)?, self.marks.get(first)?))
    }

    /// Returns the mark of a node, which is the last one in document order so far.
    pub(super) fn last(&mut self, node: Id) -> Option<&mut Mark> {
        if self.nodes.last() != Some(&node) {
            self.nodes.push(node);
            self.marks.push(UNMARKED);
        }
        self.marks.last_mut()
    }

    /// Sets the rules about attributes, the weakest rules first.
    pub(super) fn set_attributes(&mut self, mut attributes: Vec<(u32, Fate)>) {
        // The sort is stable.
        attributes.sort_by_key(|(attribute, _)| *attribute);
        self.has_templates = attributes
            .iter()
            .any(|(_, fate)| matches!(fate, Fate::Template(_)));
        self.attributes = attributes;
    }

    /// Returns whether there are templates for attributes.
    pub(super) fn has_templates(&self) -> bool {
        self.has_templates
    }

    /// Returns the effect of the strongest rule about an attribute.
    pub(super) fn fate(&self, attribute: u32) -> Option<Fate> {
        let after = self
            .attributes
            .partition_point(|(known, _)| *known <= attribute);
        let (known, fate) = self.attributes.get(after.checked_sub(1)?)?;
        (*known == attribute).then_some(*fate)
    }

    /// Returns whether an attribute is dropped.
    pub(super) fn has_dropped(&self, attribute: u32) -> bool {
        self.fate(attribute) == Some(Fate::Drop)
    }
}

/// The mark of a node before the rules about it are evaluated.
const UNMARKED: Mark = Mark {
    main: Main::Copy,
    before: None,
    before_children: None,
    replace: None,
    after_children: None,
    after: None,
};
