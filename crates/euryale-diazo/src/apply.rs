//! One page through a program.

mod copy;
mod marks;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use self::marks::Marks;
use crate::compile::{Block, Edit, Op, Program, Start, When};
use crate::context::Context;
use crate::dom::{Dom, Excess, Id, ROOT, write_attribute};
use crate::error::PageError;
use crate::rules::TestId;
use crate::xpath::{Budget, Exhausted, Scope, Value};

/// Nodes that the rules may look at in one page.
const BUDGET: u64 = 20_000_000;
/// Bytes of a themed page: rules that copy a page into itself end here.
const MAX_OUT: usize = 64 << 20;

impl From<Excess> for PageError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Depth => Self::TooDeep,
            Excess::Nodes => Self::TooLarge,
        }
    }
}

impl From<Exhausted> for PageError {
    fn from(_: Exhausted) -> Self {
        Self::TooMuchWork
    }
}

/// Themes one page.
pub(crate) fn apply<'c>(
    program: &Program,
    content: &'c str,
    context: &Context<'_>,
) -> Result<Cow<'c, str>, PageError> {
    let without_page = program.choices.is_empty() && program.content.is_empty();
    if without_page {
        return Ok(Cow::Borrowed(content));
    }
    let mut documents = Vec::with_capacity(1 + program.documents.len());
    documents.push(Some(Parsed::new(content)?));
    for (href, _) in &program.documents {
        documents.push(context.html_of(href).map(Parsed::new).transpose()?);
    }
    let parameters = |name: &str| context.value(name);
    let page = Page {
        program,
        context,
        documents: &documents,
        parameters: &parameters,
        budget: &Budget::new(BUDGET),
        tests: vec![Cell::new(None); program.tests.len()],
        nested: Cell::new(0),
    };
    page.run(content)
}

/// A document of a page: its content, or one that a rule names.
struct Parsed<'a> {
    dom: Dom<'a>,
    marks: OnceCell<Marks>,
}

impl<'a> Parsed<'a> {
    fn new(html: &'a str) -> Result<Self, PageError> {
        Ok(Self {
            dom: Dom::parse(html)?,
            marks: OnceCell::new(),
        })
    }
}

/// Where a block runs: in the content, or at a node that a rule about the content is for.
#[derive(Clone, Copy)]
struct Here {
    document: usize,
    node: Id,
}

const TOP: Here = Here {
    document: 0,
    node: ROOT,
};

struct Page<'a> {
    program: &'a Program,
    context: &'a Context<'a>,
    documents: &'a [Option<Parsed<'a>>],
    parameters: &'a dyn Fn(&str) -> Option<Value<'a>>,
    budget: &'a Budget,
    /// What tests have said, where that is the same everywhere.
    tests: Vec<Cell<Option<bool>>>,
    /// Nodes that are being copied inside each other.
    nested: Cell<usize>,
}

impl<'a> Page<'a> {
    fn run<'c>(&self, content: &'c str) -> Result<Cow<'c, str>, PageError> {
        let mut chosen = None;
        for (when, template) in &self.program.choices {
            if self.all(when, TOP)? {
                chosen = template.as_ref();
                break;
            }
        }
        let Some(template) = chosen else {
            if self.program.content.is_empty() {
                return Ok(Cow::Borrowed(content));
            }
            let mut out = String::with_capacity(content.len() + 1024);
            self.copy(&mut out, 0, ROOT, false)?;
            return Ok(Cow::Owned(out));
        };
        let mut out = String::with_capacity(content.len() + template.size + 1024);
        self.block(&mut out, &template.block, TOP)?;
        Ok(Cow::Owned(out))
    }

    fn dom(&self, document: usize) -> Option<&'a Dom<'a>> {
        self.documents[document].as_ref().map(|parsed| &parsed.dom)
    }

    fn scope(&self, here: Here) -> Option<Scope<'a>> {
        Some(Scope::new(self.dom(here.document)?, self.parameters, self.budget).at(here.node))
    }

    fn all(&self, when: &When, here: Here) -> Result<bool, PageError> {
        for test in when {
            if !self.holds(*test, here)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn any(&self, conditions: &[When], here: Here) -> Result<bool, PageError> {
        for when in conditions {
            if self.all(when, here)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds(&self, id: TestId, here: Here) -> Result<bool, PageError> {
        let known = &self.tests[id as usize];
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let test = &self.program.tests[id as usize];
        if let Some(holds) = test.of_path(self.context.path()) {
            known.set(Some(holds));
            return Ok(holds);
        }
        let (Some(expr), Some(scope)) = (test.expr(), self.scope(here)) else {
            return Ok(false);
        };
        let holds = scope.is_true(expr)? == test.wanted;
        if here.document == 0 && (here.node == ROOT || !expr.is_relative()) {
            known.set(Some(holds));
        }
        Ok(holds)
    }

    fn block(&self, out: &mut String, block: &'a Block, here: Here) -> Result<(), PageError> {
        for op in &block.0 {
            match op {
                Op::Html(html) => out.push_str(html),
                Op::Include { source, raw } => self.include(out, *source, *raw, here)?,
                Op::Choose { arms, otherwise } => {
                    let mut chosen = otherwise;
                    for (any, block) in arms {
                        if self.any(any, here)? {
                            chosen = block;
                            break;
                        }
                    }
                    self.block(out, chosen, here)?;
                }
                Op::Start(start) => self.start(out, start, here)?,
            }
        }
        Ok(())
    }

    /// The nodes of a source, and the document that they are in.
    fn select(
        &self,
        source: u32,
        here: Here,
    ) -> Result<(usize, Vec<crate::xpath::Item>), PageError> {
        let source = &self.program.sources[source as usize];
        let here = match source.document {
            Some(document) => Here {
                document: document as usize + 1,
                node: ROOT,
            },
            None => here,
        };
        Ok(match self.scope(here) {
            Some(scope) => (here.document, scope.nodes(&source.select)?),
            // A document that is not there has nothing in it.
            None => (here.document, Vec::new()),
        })
    }

    fn include(
        &self,
        out: &mut String,
        source: u32,
        into_raw: bool,
        here: Here,
    ) -> Result<(), PageError> {
        let rules_apply =
            !self.program.sources[source as usize].raw && !self.program.content.is_empty();
        let (document, items) = self.select(source, here)?;
        for item in items.iter().filter(|item| item.as_attribute().is_none()) {
            if rules_apply {
                self.copy(out, document, item.node, into_raw)?;
            } else if let Some(dom) = self.dom(document) {
                dom.write_alone(out, item.node, into_raw);
            }
            if out.len() > MAX_OUT {
                return Err(PageError::TooLong);
            }
        }
        Ok(())
    }

    /// A start tag with the attributes that the rules leave and add. Of two with one name the last
    /// counts.
    fn start(&self, out: &mut String, start: &'a Start, here: Here) -> Result<(), PageError> {
        let mut all: Vec<(&str, Cow<'_, str>, bool)> = Vec::new();
        if !self.any(&start.drop_all, here)? {
            for given in &start.attributes {
                if !self.any(&given.drop, here)? {
                    all.push((&given.name, Cow::Borrowed(&given.value), given.bare));
                }
            }
        }
        for (when, edit) in &start.edits {
            if self.all(when, here)? {
                self.edit(&mut all, start, edit, here)?;
            }
        }
        out.push('<');
        out.push_str(&start.name);
        for (name, value, bare) in all {
            write_attribute(out, name, &value, bare);
        }
        out.push('>');
        Ok(())
    }

    fn edit(
        &self,
        all: &mut Vec<(&'a str, Cow<'a, str>, bool)>,
        start: &'a Start,
        edit: &'a Edit,
        here: Here,
    ) -> Result<(), PageError> {
        let mut put = |name: &'a str, value: Cow<'a, str>, bare: bool| match all
            .iter_mut()
            .find(|known| known.0.eq_ignore_ascii_case(name))
        {
            Some(known) => (known.1, known.2) = (value, bare),
            None => all.push((name, value, bare)),
        };
        match edit {
            Edit::Copy { source, names } => {
                let (document, items) = self.select(*source, here)?;
                let Some(dom) = self.dom(document) else {
                    return Ok(());
                };
                for item in items {
                    for at in dom
                        .attributes_of(item.node)
                        .filter(|at| names.has(dom.attribute_name(*at)))
                    {
                        if !self.is_dropped(document, at)? {
                            let bare = dom.attributes[at as usize].bare;
                            put(
                                dom.attribute_name(at),
                                Cow::Borrowed(dom.attribute_value(at)),
                                bare,
                            );
                        }
                    }
                }
            }
            Edit::Selected { source } => {
                let (document, items) = self.select(*source, here)?;
                let Some(dom) = self.dom(document) else {
                    return Ok(());
                };
                for at in items.iter().filter_map(|item| item.as_attribute()) {
                    if !self.is_dropped(document, at)? {
                        let bare = dom.attributes[at as usize].bare;
                        put(
                            dom.attribute_name(at),
                            Cow::Borrowed(dom.attribute_value(at)),
                            bare,
                        );
                    }
                }
            }
            Edit::Merge {
                source,
                names,
                separator,
            } => {
                let (document, items) = self.select(*source, here)?;
                for name in &names.names {
                    let given = start
                        .attributes
                        .iter()
                        .find(|given| given.name.eq_ignore_ascii_case(name));
                    let mut value =
                        given.map_or(String::new(), |given| format!("{}{separator}", given.value));
                    for (index, item) in items.iter().enumerate() {
                        if index > 0 {
                            value.push_str(separator);
                        }
                        if let Some(dom) = self.dom(document)
                            && let Some(at) = dom.attribute(item.node, name)
                        {
                            value.push_str(dom.attribute_value(at));
                        }
                    }
                    put(name, Cow::Owned(value), false);
                }
            }
        }
        Ok(())
    }
}
