//! A page while it is themed: its documents, its variables and its limits.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use super::fragments::Fragments;
use super::out::Out;
use super::parsed::Parsed;
use super::stack::Stack;
use super::trace::Trace;
use crate::compile::{Block, Op, Program, Template, When};
use crate::context::Context;
use crate::dom::{Dom, ROOT};
use crate::error::PageError;
use crate::rules::{DEFAULT_MODE, Place, RAW_MODE, TestId};
use crate::xpath::{Budget, Depends, Item, Scope, Value};

/// The place where a block runs: the content, or the node of a rule about the content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) item: Item,
    /// The number of the item among those that a loop visits, from 1.
    pub(super) position: usize,
    pub(super) size: usize,
}

impl Here {
    /// Creates the place of a node outside a loop.
    pub(super) fn at(item: Item) -> Self {
        Self {
            item,
            position: 1,
            size: 1,
        }
    }
}

/// The whole content.
pub(super) const TOP: Here = Here {
    item: Item::TOP,
    position: 1,
    size: 1,
};

/// The value of a variable of the rules.
#[derive(Clone)]
pub(super) enum Known<'a> {
    Not,
    /// The value is being computed.
    Soon,
    Is(Value<'a>),
}

/// A page while it is themed.
pub(super) struct Page<'a> {
    pub(super) program: &'a Program,
    pub(super) context: &'a Context<'a>,
    pub(super) documents: &'a [Option<Parsed<'a>>],
    pub(super) nothing: &'a Dom<'a>,
    pub(super) budget: &'a Budget,
    /// The cached results of tests that do not depend on the context, and of other tests at the top
    /// of the page.
    pub(super) tests: Vec<Cell<Option<bool>>>,
    /// The number of nested copies, templates and variables.
    pub(super) nested: Cell<usize>,
    pub(super) stack: Stack,
    /// Documents that were made from the output of rules.
    pub(super) fragments: RefCell<Fragments<'a>>,
    pub(super) globals: Vec<RefCell<Known<'a>>>,
    /// The variables of the running rules and templates, and the start of those of the innermost
    /// one.
    pub(super) locals: RefCell<Vec<Option<Value<'a>>>>,
    pub(super) frame: Cell<usize>,
    pub(super) messages: RefCell<Vec<(&'a Place, String)>>,
    /// The record of instructions, for explanations.
    pub(super) trace: Option<RefCell<Trace>>,
}

impl<'a> Page<'a> {
    pub(super) fn run<'c>(&'a self, content: &'c str) -> Result<Cow<'c, str>, PageError> {
        let Some(template) = self.chosen()? else {
            if self.is_silent(DEFAULT_MODE) {
                return Ok(Cow::Borrowed(content));
            }
            let mut out = Out::with_capacity(content.len() + 1024);
            self.copy(&mut out, TOP, DEFAULT_MODE, &[], false)?;
            return Ok(Cow::Owned(out.finish()));
        };
        let mut out = Out::with_capacity(content.len() + template.size() + 1024);
        match template.frame {
            0 => self.block(&mut out, &template.block, TOP)?,
            size => self.framed(size, &mut || self.block(&mut out, &template.block, TOP))?,
        }
        Ok(Cow::Owned(out.finish()))
    }

    /// Returns the theme of the page, if it has one.
    pub(super) fn chosen(&'a self) -> Result<Option<&'a Template>, PageError> {
        for (when, template, _) in &self.program.choices {
            if self.all(when, TOP)? {
                return Ok(template.as_ref());
            }
        }
        Ok(None)
    }

    pub(super) fn dom(&self, document: u32) -> &'a Dom<'a> {
        self.parsed(document)
            .map_or(self.nothing, |parsed| &parsed.dom)
    }

    /// Returns whether there are no rules about nodes in this mode.
    pub(super) fn is_silent(&self, mode: u32) -> bool {
        self.program.silent[mode as usize]
    }

    pub(super) fn scope(&'a self, here: Here) -> Scope<'a> {
        let mut scope = Scope::new(self, self.budget, here.item);
        (scope.position, scope.size) = (here.position, here.size);
        scope
    }

    pub(super) fn all(&'a self, when: &When, here: Here) -> Result<bool, PageError> {
        for test in when {
            if !self.holds(*test, here)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn any(&'a self, conditions: &[When], here: Here) -> Result<bool, PageError> {
        for when in conditions {
            if self.all(when, here)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn holds(&'a self, id: TestId, here: Here) -> Result<bool, PageError> {
        let known = &self.tests[id as usize];
        let test = &self.program.tests[id as usize];
        let is_shared = match test.depends {
            Depends::Nothing => here.item.document == 0,
            Depends::Place => here == TOP,
            Depends::Variables => false,
        };
        if let Some(known) = known.get().filter(|_| is_shared) {
            return Ok(known);
        }
        if let Some(holds) = test.of_path(self.context.path()) {
            known.set(Some(holds));
            return Ok(holds);
        }
        let Some(expr) = test.expr() else {
            return Ok(false);
        };
        let holds = self.scope(here).is_true(expr)? == test.wanted;
        if is_shared {
            known.set(Some(holds));
        }
        Ok(holds)
    }

    pub(super) fn block(
        &'a self,
        out: &mut Out,
        block: &'a Block,
        here: Here,
    ) -> Result<(), PageError> {
        block.0.iter().try_for_each(|op| self.op(out, op, here))
    }

    pub(super) fn op(&'a self, out: &mut Out, op: &'a Op, here: Here) -> Result<(), PageError> {
        match op {
            Op::Html(html) => {
                // A loop may write this HTML many times.
                self.budget.spend(html.len() / 16)?;
                out.push_str(html);
                Ok(())
            }
            Op::Include { source, raw } => self.include(out, *source, *raw, here),
            Op::Choose { arms, otherwise } => {
                let mut chosen = otherwise;
                for (any, block) in arms {
                    if self.any(any, here)? {
                        chosen = block;
                        break;
                    }
                }
                self.block(out, chosen, here)
            }
            Op::Start(start) => self.start(out, start, here),
            Op::Do(step) => self.step(out, step, here),
        }
    }

    /// Returns the nodes of a source.
    pub(super) fn select(&'a self, source: u32, here: Here) -> Result<Vec<Item>, PageError> {
        let source = &self.program.sources[source as usize];
        let here = match source.document {
            None => here,
            // A missing document is treated as empty.
            Some(named) if self.documents[named as usize + 1].is_none() => return Ok(Vec::new()),
            Some(named) => Here::at(Item::new(named + 1, ROOT)),
        };
        self.scope(here).nodes(&source.select)
    }

    pub(super) fn include(
        &'a self,
        out: &mut Out,
        source: u32,
        into_raw: bool,
        here: Here,
    ) -> Result<(), PageError> {
        let mode = self.program.sources[source as usize].mode;
        let items = self.select(source, here)?;
        let size = items.len();
        let writes = mode <= RAW_MODE && self.is_silent(mode);
        for (index, item) in items.into_iter().enumerate() {
            if writes && item.as_attribute().is_none() {
                let dom = self.dom(item.document);
                dom.write_alone(out.html(), item.node, into_raw);
            } else {
                let at = Here {
                    item,
                    position: index + 1,
                    size,
                };
                self.apply_one(out, at, mode, &[], into_raw)?;
            }
            out.check()?;
        }
        Ok(())
    }
}
