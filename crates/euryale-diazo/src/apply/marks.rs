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
    /// The dropped attributes.
    pub(super) attributes: Vec<u32>,
    /// Attributes for which there are templates. For each attribute, the last template counts.
    pub(super) templates: Vec<(u32, u32)>,
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

    pub(super) fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }

    pub(super) fn template_of(&self, attribute: u32) -> Option<u32> {
        let after = self
            .templates
            .partition_point(|(known, _)| *known <= attribute);
        let (known, template) = self.templates.get(after.checked_sub(1)?)?;
        (*known == attribute).then_some(*template)
    }

    pub(super) fn has_dropped(&self, attribute: u32) -> bool {
        self.attributes.binary_search(&attribute).is_ok()
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
