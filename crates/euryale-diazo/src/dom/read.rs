//! Parses pages, themes, and fragments.

use super::name::{BODY, HTML};
use super::parse::{Parser, Phase, SelfClosing};
use super::{Dom, Excess, Id, NONE};

impl<'s> Dom<'s> {
    /// Parses a page. Any page has a tree, with `html`, `head` and `body`, unless it is too large.
    /// Plone's pages were written for libxml2, where `<div/>` has no children.
    pub(crate) fn parse(source: &'s str) -> Result<Self, Excess> {
        Parser::new(source, SelfClosing::NoText).run()
    }

    /// Parses a theme, in which not even `<script/>` has children.
    pub(crate) fn parse_theme(source: &'s str) -> Result<Self, Excess> {
        Parser::new(source, SelfClosing::All).run()
    }

    /// Parses the output of rules. Its nodes are directly in the document, without `html` and
    /// `body`.
    pub(crate) fn parse_fragment(source: &'s str) -> Result<Self, Excess> {
        Parser::new(source, SelfClosing::None).run_fragment()
    }
}

impl<'s> Parser<'s> {
    fn run(mut self) -> Result<Dom<'s>, Excess> {
        self.begin()?;
        self.go_on()
    }

    /// Parses the source as if it were inside a `body`, which is removed afterwards.
    fn run_fragment(mut self) -> Result<Dom<'s>, Excess> {
        const AROUND: u32 = 2;
        self.is_fragment = true;
        self.begin()?;
        self.implied(HTML, 0)?;
        self.implied(BODY, 0)?;
        self.phase = Phase::InBody;
        let mut dom = self.go_on()?;
        // Both elements are before all others in their lists.
        let nodes = &dom.nodes;
        dom.names.each(|id| {
            while (1..=AROUND).contains(id) {
                *id = nodes[*id as usize].next_named;
            }
        });
        dom.nodes.drain(1..=AROUND as usize);
        let moved = |id: Id| match id {
            NONE => NONE,
            id => id.saturating_sub(AROUND),
        };
        for node in &mut dom.nodes {
            node.parent = moved(node.parent);
            node.previous = moved(node.previous);
            node.next_named = moved(node.next_named);
            node.after -= AROUND;
        }
        dom.names.each(|id| *id = moved(*id));
        dom.ids.iter_mut().for_each(|id| *id -= AROUND);
        dom.classes.iter_mut().for_each(|id| *id -= AROUND);
        Ok(dom)
    }
}
