//! What a page does, one step after the other.

use std::sync::Arc;

use super::attributes::Start;
use super::draft::Draft;
use crate::rules::{Inline, Source, TestId, What};

/// Tests that must all hold; none hold always.
pub(crate) type When = Vec<TestId>;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Html(Arc<str>),
    /// Nodes of a source are copied. `raw`: into a script or a title, where tags are none.
    Include {
        source: u32,
        raw: bool,
    },
    /// The first arm of which one condition holds.
    Choose {
        arms: Vec<(Vec<When>, Block)>,
        otherwise: Block,
    },
    /// A start tag whose attributes depend on the page.
    Start(Arc<Start>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Block(pub(crate) Vec<Op>);

impl Block {
    /// The same block in an element whose text is raw.
    pub(super) fn into_raw(mut self) -> Self {
        for op in &mut self.0 {
            match op {
                Op::Include { raw, .. } => *raw = true,
                Op::Choose { arms, otherwise } => {
                    for (_, block) in arms.iter_mut() {
                        *block = std::mem::take(block).into_raw();
                    }
                    *otherwise = std::mem::take(otherwise).into_raw();
                }
                Op::Html(_) | Op::Start(_) => {}
            }
        }
        self
    }

    /// Names each source with the conditions that it is under.
    pub(super) fn each_source(&self, when: &When, note: &mut impl FnMut(u32, &When)) {
        for op in &self.0 {
            match op {
                Op::Include { source, .. } => note(*source, when),
                Op::Choose { arms, otherwise } => {
                    for (any, block) in arms {
                        let mut inner = when.clone();
                        if let [only] = any.as_slice() {
                            inner.extend(only);
                        }
                        block.each_source(&inner, note);
                    }
                    otherwise.each_source(when, note);
                }
                Op::Html(_) | Op::Start(_) => {}
            }
        }
    }
}

/// Sources move from rules into one table.
pub(super) struct Builder {
    pub(super) sources: Vec<Source>,
}

impl Builder {
    pub(super) fn source(&mut self, source: Source) -> u32 {
        self.sources.push(source);
        (self.sources.len() - 1) as u32
    }

    pub(super) fn what(&mut self, what: What) -> Block {
        match what {
            What::Select(source) => Block(vec![Op::Include {
                source: self.source(source),
                raw: false,
            }]),
            What::Inline(inline) => self.inline(inline),
        }
    }

    pub(super) fn inline(&mut self, inline: Vec<Inline>) -> Block {
        let mut draft = Draft::default();
        for part in inline {
            match part {
                Inline::Html(html) => draft.html(&html),
                Inline::Include { source, when } => {
                    let source = self.source(source);
                    draft.when(&when, Block(vec![Op::Include { source, raw: false }]));
                }
            }
        }
        draft.finish()
    }
}
