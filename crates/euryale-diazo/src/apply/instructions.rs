//! Runs XSLT instructions on a page.

use std::borrow::Cow;

use super::copy::Arguments;
use super::order::{is_by_rules, is_order, pieces};
use super::out::Out;
use super::page::{Here, Page};
use crate::compile::{Block, Op, Step};
use crate::dom::{Kind, escape_text, write_comment, written_text};
use crate::error::PageError;
use crate::rules::{Binding, Instruction, NamePattern, Sort};
use crate::xpath::{Expr, Item, Value};

/// The maximum number of messages of a page, and the maximum size of each in bytes.
const MAX_MESSAGES: usize = 100;
const MAX_MESSAGE: usize = 1000;

impl<'a> Page<'a> {
    /// Runs an instruction. Each kind has its own function, so that nested instructions need little
    /// stack.
    pub(super) fn step(
        &'a self,
        out: &mut Out,
        step: &'a Step,
        here: Here,
    ) -> Result<(), PageError> {
        self.budget.spend(1)?;
        out.check()?;
        let is_written = !matches!(step.instruction, Instruction::Frame { .. });
        let Some(trace) = self.trace.as_ref().filter(|_| is_written) else {
            return self.run_step(out, step, here);
        };
        let before = out.len();
        let result = self.run_step(out, step, here);
        let written = out.len().saturating_sub(before);
        trace.borrow_mut().add(step, written);
        result
    }

    fn run_step(&'a self, out: &mut Out, step: &'a Step, here: Here) -> Result<(), PageError> {
        match &step.instruction {
            Instruction::ValueOf { select, raw } => self.value_of(out, select, *raw, here),
            Instruction::CopyOf(select) => self.copy_of(out, select, here),
            Instruction::Copy(body) => self.copy_shallow(out, body, here),
            Instruction::Apply {
                select,
                mode,
                sorts,
                arguments,
                into_raw,
            } => {
                let arguments = self.arguments(arguments, here)?;
                let items = self.selected(select.as_ref(), sorts, here)?;
                self.apply_all(out, items, *mode, &arguments, *into_raw)
            }
            Instruction::Call {
                template,
                arguments,
            } => {
                let arguments = self.arguments(arguments, here)?;
                self.run_template(out, *template, here, &arguments)
            }
            Instruction::ForEach {
                select,
                sorts,
                body,
            } => self.for_each(out, self.selected(Some(select), sorts, here)?, body),
            Instruction::Choose {
                arms, otherwise, ..
            } => self.block(out, self.choose(arms, otherwise, here)?, here),
            Instruction::Attribute { name, body } => self.attribute(out, name, body, here),
            Instruction::Element {
                name,
                attributes,
                body,
            } => self.element(out, name, attributes, body, here),
            Instruction::Comment(body) => self.comment(out, body, here),
            Instruction::Message { body, terminate } => self.message(step, body, *terminate, here),
            Instruction::Set { slot, value } => {
                let value = self.bind(value, here)?;
                self.set(*slot, value);
                Ok(())
            }
            Instruction::Default { slot, value } => {
                if !self.is_set(*slot) {
                    let value = self.bind(value, here)?;
                    self.set(*slot, value);
                }
                Ok(())
            }
            Instruction::Frame { size, body } => {
                self.framed(*size, &mut || self.block(out, body, here))
            }
        }
    }

    fn value_of(
        &'a self,
        out: &mut Out,
        select: &'a Expr,
        raw: bool,
        here: Here,
    ) -> Result<(), PageError> {
        let text = self.scope(here).string(select)?;
        self.budget.spend(text.len() / 16)?;
        if raw {
            out.push_str(&text);
        } else if !text.is_empty() {
            escape_text(out.html(), &text, false);
        }
        Ok(())
    }

    /// Returns the nodes of `apply-templates` and `for-each`, in their order.
    fn selected(
        &'a self,
        select: Option<&'a Expr>,
        sorts: &'a [Sort],
        here: Here,
    ) -> Result<Vec<Item>, PageError> {
        let items = match select {
            Some(select) => self.scope(here).nodes(select)?,
            None if here.item.as_attribute().is_some() => Vec::new(),
            None => {
                let dom = self.dom(here.item.document);
                let children = dom.children(here.item.node);
                let children = children.filter(|id| dom.node(*id).kind != Kind::Doctype);
                children.map(|id| here.item.beside(id)).collect()
            }
        };
        self.budget.spend(items.len())?;
        self.sorted(items, sorts, here)
    }

    fn apply_all(
        &'a self,
        out: &mut Out,
        items: Vec<Item>,
        mode: u32,
        arguments: &Arguments<'a>,
        into_raw: bool,
    ) -> Result<(), PageError> {
        let size = items.len();
        for (index, item) in items.into_iter().enumerate() {
            let at = Here {
                item,
                position: index + 1,
                size,
            };
            self.apply_one(out, at, mode, arguments, into_raw)?;
            out.check()?;
        }
        Ok(())
    }

    fn for_each(
        &'a self,
        out: &mut Out,
        items: Vec<Item>,
        body: &'a Block,
    ) -> Result<(), PageError> {
        let size = items.len();
        for (index, item) in items.into_iter().enumerate() {
            self.budget.spend(1)?;
            out.check()?;
            let at = Here {
                item,
                position: index + 1,
                size,
            };
            self.block(out, body, at)?;
        }
        Ok(())
    }

    fn choose(
        &'a self,
        arms: &'a [(Expr, Block)],
        otherwise: &'a Block,
        here: Here,
    ) -> Result<&'a Block, PageError> {
        for (test, body) in arms {
            self.budget.spend(1)?;
            if self.scope(here).is_true(test)? {
                return Ok(body);
            }
        }
        Ok(otherwise)
    }

    fn attribute(
        &'a self,
        out: &mut Out,
        name: &'a NamePattern,
        body: &'a Block,
        here: Here,
    ) -> Result<(), PageError> {
        let name = self.name(name, here)?;
        let html = match body.0.as_slice() {
            [Op::Html(html)] => Cow::Borrowed(&**html),
            _ => Cow::Owned(self.fragment(body, here)?),
        };
        let value = written_text(&html);
        self.budget.spend(html.len() / 16)?;
        if let Some(name) = name {
            out.attribute_of_text(self.budget, &name, &value)?;
        }
        Ok(())
    }

    fn comment(&'a self, out: &mut Out, body: &'a Block, here: Here) -> Result<(), PageError> {
        let mut inside = Out::default();
        let mut ends = Vec::with_capacity(body.0.len());
        self.enter(&inside)?;
        for op in &body.0 {
            self.op(&mut inside, op, here)?;
            ends.push((matches!(op, Op::Html(_)), inside.html().len()));
        }
        self.leave();
        let html = inside.finish();
        self.budget.spend(html.len() / 16)?;
        let mut text = written_text(&html).into_owned();
        if is_order(&text) && !is_by_rules(&text, &pieces(&html, &ends)) {
            text.insert(0, ' ');
        }
        write_comment(out.html(), &text);
        out.check()
    }

    fn message(
        &'a self,
        step: &'a Step,
        body: &'a Block,
        terminate: bool,
        here: Here,
    ) -> Result<(), PageError> {
        let html = self.fragment(body, here)?;
        let text = written_text(&html);
        let text: String = text.trim().chars().take(MAX_MESSAGE).collect();
        let mut messages = self.messages.borrow_mut();
        if messages.len() < MAX_MESSAGES {
            messages.push((&*step.place, text));
        }
        if terminate {
            return Err(PageError::Terminated);
        }
        Ok(())
    }

    fn set(&self, slot: u32, value: Value<'a>) {
        let index = self.frame.get() + slot as usize;
        if let Some(place) = self.locals.borrow_mut().get_mut(index) {
            *place = Some(value);
        }
    }

    fn is_set(&self, slot: u32) -> bool {
        let index = self.frame.get() + slot as usize;
        self.locals.borrow().get(index).is_some_and(Option::is_some)
    }

    /// Runs code that has its own variables.
    pub(super) fn framed<T>(
        &self,
        size: u32,
        run: &mut dyn FnMut() -> Result<T, PageError>,
    ) -> Result<T, PageError> {
        let first = {
            let mut locals = self.locals.borrow_mut();
            let first = locals.len();
            locals.resize(first + size as usize, None);
            first
        };
        let outer = self.frame.replace(first);
        let result = run();
        self.frame.set(outer);
        self.locals.borrow_mut().truncate(first);
        result
    }

    fn arguments(
        &'a self,
        arguments: &'a [(String, Binding<Block>)],
        here: Here,
    ) -> Result<Vec<(&'a str, Value<'a>)>, PageError> {
        let each = arguments.iter();
        each.map(|(name, value)| Ok((name.as_str(), self.bind(value, here)?)))
            .collect()
    }

    pub(super) fn run_template(
        &'a self,
        out: &mut Out,
        template: u32,
        here: Here,
        arguments: &Arguments<'a>,
    ) -> Result<(), PageError> {
        let template = &self.program.content.templates[template as usize];
        self.enter(out)?;
        self.framed(template.frame, &mut || {
            for (name, slot) in &template.parameters {
                let given = arguments.iter().find(|given| given.0 == name);
                if let Some((_, value)) = given {
                    self.set(*slot, value.clone());
                }
            }
            self.block(out, &template.body, here)
        })?;
        self.leave();
        Ok(())
    }

    /// Returns the number of nodes in `@*|node()` of an element.
    pub(super) fn inside(&self, item: Item) -> Result<usize, PageError> {
        let dom = self.dom(item.document);
        let children = dom.children(item.node).count();
        self.budget.spend(children)?;
        Ok(dom.node(item.node).attribute_count as usize + children)
    }

    /// Returns the output of a body, as HTML.
    pub(super) fn fragment(&'a self, body: &'a Block, here: Here) -> Result<String, PageError> {
        let mut out = Out::default();
        self.enter(&out)?;
        self.block(&mut out, body, here)?;
        self.leave();
        let html = out.finish();
        self.budget.spend(html.len() / 16)?;
        Ok(html)
    }
}
