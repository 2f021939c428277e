//! Writes the elements and attributes of instructions.

use std::borrow::Cow;

use super::out::Out;
use super::page::{Here, Page};
use crate::compile::Block;
use crate::dom::{Kind, escape_text, is_name, is_void};
use crate::error::PageError;
use crate::rules::{NamePattern, Part, Pattern};
use crate::xpath::{Expr, Item, Value};

impl<'a> Page<'a> {
    pub(super) fn copy_of(
        &'a self,
        out: &mut Out,
        select: &'a Expr,
        here: Here,
    ) -> Result<(), PageError> {
        let scope = self.scope(here);
        if let Expr::Path(path) = select {
            scope.visit(path, &mut |item| self.copy_node(out, item))?;
            return out.check();
        }
        match scope.value(select)? {
            Value::Nodes(items) => {
                for item in items {
                    self.copy_node(out, item)?;
                }
            }
            Value::Fragment(html) => {
                self.budget.spend(html.len() / 16)?;
                out.push_str(&html);
            }
            other => {
                let text = other.into_text(&scope)?;
                self.budget.spend(text.len() / 16)?;
                if !text.is_empty() {
                    escape_text(out.html(), &text, false);
                }
            }
        }
        out.check()
    }

    fn copy_node(&self, out: &mut Out, item: Item) -> Result<(), PageError> {
        let dom = self.dom(item.document);
        match item.as_attribute() {
            Some(at) => out.attribute(
                self.budget,
                dom.attribute_name(at),
                dom.attribute_value(at),
                dom.attributes[at as usize].bare,
            )?,
            None => {
                let nodes = dom.node(item.node).after - item.node;
                self.budget
                    .spend(nodes as usize + dom.length(item.node) / 16)?;
                dom.write_alone(out.html(), item.node, false);
            }
        }
        out.check()
    }

    pub(super) fn copy_shallow(
        &'a self,
        out: &mut Out,
        body: &'a Block,
        here: Here,
    ) -> Result<(), PageError> {
        let Here { item, .. } = here;
        let dom = self.dom(item.document);
        if let Some(at) = item.as_attribute() {
            let bare = dom.attributes[at as usize].bare;
            let name = dom.attribute_name(at);
            let value = dom.attribute_value(at);
            return out.attribute(self.budget, name, value, bare);
        }
        match dom.node(item.node).kind {
            Kind::Element => {
                out.open(dom.written_name(item.node));
                self.block(out, body, here)?;
                dom.write_end(out.html(), item.node);
                Ok(())
            }
            Kind::Root => self.block(out, body, here),
            _ => {
                dom.write_alone(out.html(), item.node, false);
                Ok(())
            }
        }
    }

    pub(super) fn element(
        &'a self,
        out: &mut Out,
        written: &'a NamePattern,
        attributes: &'a [(String, Pattern)],
        body: &'a Block,
        here: Here,
    ) -> Result<(), PageError> {
        let Some(name) = self.name(written, here)? else {
            // If the element name is invalid, only the content is written (XSLT 1.0 §7.1.2).
            return self.block(out, body, here);
        };
        let is_empty = match written {
            NamePattern::Fixed { is_void, .. } => *is_void,
            NamePattern::Computed(_) => is_void(&name),
        };
        out.open(&name);
        for (name, value) in attributes {
            out.attribute_of_text(self.budget, name, &self.pattern(value, here)?)?;
        }
        self.block(out, body, here)?;
        let html = out.html();
        if !is_empty {
            html.push_str("</");
            html.push_str(&name);
            html.push('>');
        }
        Ok(())
    }

    /// Returns the name of an element or attribute, if it is valid.
    pub(super) fn name(
        &'a self,
        name: &'a NamePattern,
        here: Here,
    ) -> Result<Option<Cow<'a, str>>, PageError> {
        match name {
            NamePattern::Fixed { name, .. } => Ok(Some(Cow::Borrowed(name))),
            NamePattern::Computed(pattern) => {
                let name = self.pattern(pattern, here)?;
                Ok(is_name(&name).then_some(name))
            }
        }
    }

    pub(super) fn pattern(
        &'a self,
        pattern: &'a Pattern,
        here: Here,
    ) -> Result<Cow<'a, str>, PageError> {
        if let Some(fixed) = pattern.fixed() {
            return Ok(Cow::Borrowed(fixed));
        }
        if let [Part::Expr(expr)] = pattern.0.as_slice() {
            let text = self.scope(here).string(expr)?;
            self.budget.spend(1 + text.len() / 16)?;
            return Ok(text);
        }
        let mut all = String::new();
        for part in &pattern.0 {
            match part {
                Part::Text(text) => all.push_str(text),
                Part::Expr(expr) => all.push_str(&self.scope(here).string(expr)?),
            }
        }
        self.budget.spend(1 + all.len() / 16)?;
        Ok(Cow::Owned(all))
    }
}
