//! A block while it is written.

use super::block::{Block, Op, When};

/// A block in progress. Consecutive pieces of text are joined, because a theme has many thousands
/// of them.
#[derive(Debug, Default)]
pub(super) struct Draft {
    ops: Vec<Op>,
    /// The HTML after the steps.
    html: String,
}

impl Draft {
    pub(super) fn html(&mut self, html: &str) {
        self.html.push_str(html);
    }

    pub(super) fn push(&mut self, op: Op) {
        self.close();
        self.ops.push(op);
    }

    /// Adds a block, under a condition.
    pub(super) fn when(&mut self, when: &When, block: Block) {
        if when.is_empty() {
            self.append(block);
        } else {
            self.push(Op::Choose {
                arms: vec![(vec![when.clone()], block)],
                otherwise: Block::default(),
            });
        }
    }

    pub(super) fn append(&mut self, block: Block) {
        for op in block.0 {
            match op {
                Op::Html(html) => self.html(&html),
                other => self.push(other),
            }
        }
    }

    pub(super) fn finish(mut self) -> Block {
        self.close();
        Block(self.ops)
    }

    fn close(&mut self) {
        if !self.html.is_empty() {
            self.ops.push(Op::Html(self.html.as_str().into()));
            self.html.clear();
        }
    }
}

/// Makes a draft that continues the block, whose texts are not changed.
impl From<Block> for Draft {
    fn from(block: Block) -> Self {
        Self {
            ops: block.0,
            html: String::new(),
        }
    }
}
