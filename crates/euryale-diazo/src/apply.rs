//! Applies a compiled program to one page.

mod copy;
mod elements;
mod explain;
mod instructions;
mod marks;
mod order;
mod out;
mod sort;
mod stack;
mod start;
mod world;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};

pub use self::explain::Explanation;
use self::explain::Trace;
use self::marks::Marks;
use self::out::Out;
use self::stack::Stack;
use self::world::{Arena, Fragments, Known};
use crate::compile::{Block, Op, Program, Template, When};
use crate::context::Context;
use crate::dom::{Dom, Excess, ROOT};
use crate::error::{Message, PageError};
use crate::rules::{DEFAULT_MODE, Place, RAW_MODE, TestId};
use crate::xpath::{Budget, Depends, Item, Scope, Value};

/// The maximum number of steps for one page: nodes that are examined, instructions, pieces of text.
const BUDGET: u64 = 20_000_000;

impl From<Excess> for PageError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Depth => Self::TooDeep,
            Excess::Nodes => Self::TooLarge,
        }
    }
}

/// Themes one page. `log` is called with the messages of the rules.
pub(crate) fn apply<'c>(
    program: &Program,
    content: &'c str,
    context: &Context<'_>,
    log: &mut dyn FnMut(Message<'_>),
) -> Result<Cow<'c, str>, PageError> {
    let without_page = program.choices.is_empty() && program.silent[DEFAULT_MODE as usize];
    if without_page {
        return Ok(Cow::Borrowed(content));
    }
    with_page(program, content, context, None, |page| {
        let themed = page.run(content);
        for (place, text) in page.messages.borrow().iter() {
            log(Message { place, text });
        }
        themed
    })
}

/// Explains what the rules do to one page.
pub(crate) fn explain(
    program: &Program,
    content: &str,
    context: &Context<'_>,
) -> Result<Vec<Explanation>, PageError> {
    let trace = Some(RefCell::default());
    with_page(program, content, context, trace, |page| {
        page.run(content)?;
        page.explained()
    })
}

fn with_page<T>(
    program: &Program,
    content: &str,
    context: &Context<'_>,
    trace: Option<RefCell<Trace>>,
    run: impl for<'p> FnOnce(&'p Page<'p>) -> Result<T, PageError>,
) -> Result<T, PageError> {
    let mut documents = Vec::with_capacity(1 + program.documents.len());
    documents.push(Some(Parsed::new(content, program.modes)?));
    for (href, _) in &program.documents {
        let html = context.html_of(href);
        documents.push(
            html.map(|html| Parsed::new(html, program.modes))
                .transpose()?,
        );
    }
    let nothing = Dom::parse("")?;
    let arena = Arena::default();
    let page = Page {
        program,
        context,
        documents: &documents,
        nothing: &nothing,
        budget: &Budget::new(BUDGET),
        tests: vec![Cell::new(None); program.tests.len()],
        nested: Cell::new(0),
        stack: Stack::begin(),
        fragments: RefCell::new(Fragments::new(&arena)),
        globals: vec![RefCell::new(Known::Not); program.globals.len()],
        locals: RefCell::new(Vec::new()),
        frame: Cell::new(0),
        messages: RefCell::new(Vec::new()),
        trace,
    };
    run(&page)
}

/// A document of a page: its content, or one that a rule names.
struct Parsed<'a> {
    dom: Dom<'a>,
    /// For each mode.
    marks: Vec<OnceCell<Marks>>,
}

impl<'a> Parsed<'a> {
    fn new(html: &'a str, modes: usize) -> Result<Self, PageError> {
        Ok(Self::of(Dom::parse(html)?, modes))
    }

    fn of(dom: Dom<'a>, modes: usize) -> Self {
        Self {
            dom,
            marks: (0..modes).map(|_| OnceCell::new()).collect(),
        }
    }
}

/// The place where a block runs: the content, or the node of a rule about the content.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Here {
    item: Item,
    /// The number of the item among those that a loop visits, from 1.
    position: usize,
    size: usize,
}

impl Here {
    /// At a node outside of a loop.
    fn at(item: Item) -> Self {
        Self {
            item,
            position: 1,
            size: 1,
        }
    }
}

const TOP: Here = Here {
    item: Item::TOP,
    position: 1,
    size: 1,
};

struct Page<'a> {
    program: &'a Program,
    context: &'a Context<'a>,
    documents: &'a [Option<Parsed<'a>>],
    nothing: &'a Dom<'a>,
    budget: &'a Budget,
    /// The cached results of tests that do not depend on the context, and of other tests at the top
    /// of the page.
    tests: Vec<Cell<Option<bool>>>,
    /// Nodes that are being copied inside each other, and templates and variables that run.
    nested: Cell<usize>,
    stack: Stack,
    /// Documents that were made from what rules wrote.
    fragments: RefCell<Fragments<'a>>,
    globals: Vec<RefCell<Known<'a>>>,
    /// Variables of the rules and templates that run, and where those of the innermost begin.
    locals: RefCell<Vec<Option<Value<'a>>>>,
    frame: Cell<usize>,
    messages: RefCell<Vec<(&'a Place, String)>>,
    /// The record of instructions, for explanations.
    trace: Option<RefCell<Trace>>,
}

impl<'a> Page<'a> {
    fn run<'c>(&'a self, content: &'c str) -> Result<Cow<'c, str>, PageError> {
        let Some(template) = self.chosen()? else {
            if self.is_silent(DEFAULT_MODE) {
                return Ok(Cow::Borrowed(content));
            }
            let mut out = Out::with_capacity(content.len() + 1024);
            self.copy(&mut out, TOP, DEFAULT_MODE, &Vec::new(), false)?;
            return Ok(Cow::Owned(out.finish()));
        };
        let mut out = Out::with_capacity(content.len() + template.size() + 1024);
        match template.frame {
            0 => self.block(&mut out, &template.block, TOP)?,
            size => self.framed(size, &mut || self.block(&mut out, &template.block, TOP))?,
        }
        Ok(Cow::Owned(out.finish()))
    }

    /// The theme of the page, if it has one.
    fn chosen(&'a self) -> Result<Option<&'a Template>, PageError> {
        for (when, template, _) in &self.program.choices {
            if self.all(when, TOP)? {
                return Ok(template.as_ref());
            }
        }
        Ok(None)
    }

    fn dom(&self, document: u32) -> &'a Dom<'a> {
        self.parsed(document)
            .map_or(self.nothing, |parsed| &parsed.dom)
    }

    /// There are no rules about nodes in this mode.
    fn is_silent(&self, mode: u32) -> bool {
        self.program.silent[mode as usize]
    }

    fn scope(&'a self, here: Here) -> Scope<'a> {
        let mut scope = Scope::new(self, self.budget, here.item);
        (scope.position, scope.size) = (here.position, here.size);
        scope
    }

    fn all(&'a self, when: &When, here: Here) -> Result<bool, PageError> {
        for test in when {
            if !self.holds(*test, here)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn any(&'a self, conditions: &[When], here: Here) -> Result<bool, PageError> {
        for when in conditions {
            if self.all(when, here)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds(&'a self, id: TestId, here: Here) -> Result<bool, PageError> {
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

    fn block(&'a self, out: &mut Out, block: &'a Block, here: Here) -> Result<(), PageError> {
        block.0.iter().try_for_each(|op| self.op(out, op, here))
    }

    fn op(&'a self, out: &mut Out, op: &'a Op, here: Here) -> Result<(), PageError> {
        match op {
            Op::Html(html) => {
                // A loop may write it many times.
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

    /// The nodes of a source.
    fn select(&'a self, source: u32, here: Here) -> Result<Vec<Item>, PageError> {
        let source = &self.program.sources[source as usize];
        let here = match source.document {
            None => here,
            // A missing document is treated as empty.
            Some(named) if self.documents[named as usize + 1].is_none() => return Ok(Vec::new()),
            Some(named) => Here::at(Item::new(named + 1, ROOT)),
        };
        self.scope(here).nodes(&source.select)
    }

    fn include(
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
                self.apply_one(out, at, mode, &Vec::new(), into_raw)?;
            }
            out.check()?;
        }
        Ok(())
    }
}
