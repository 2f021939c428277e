//! Applies a compiled program to one page.

mod copy;
mod elements;
mod explain;
mod fragments;
mod instructions;
mod marking;
mod marks;
mod order;
mod out;
mod page;
mod parsed;
mod sort;
mod stack;
mod start;
mod trace;
mod world;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

pub use self::explain::Explanation;
use self::fragments::{Arena, Fragments};
use self::page::{Known, Page};
use self::parsed::Parsed;
use self::stack::Stack;
use self::trace::Trace;
use crate::compile::Program;
use crate::context::Context;
use crate::dom::{Dom, Excess};
use crate::error::{Message, PageError};
use crate::rules::DEFAULT_MODE;
use crate::xpath::Budget;

/// The maximum number of steps for one page. Steps are examined nodes, instructions and pieces of
/// text.
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
