//! Documents and variables of a page, as expressions see them.

use std::rc::Rc;

use super::page::{Here, Known, Page, TOP};
use super::parsed::Parsed;
use crate::dom::Dom;
use crate::error::PageError;
use crate::rules::Binding;
use crate::xpath::{Value, World};

impl<'a> Page<'a> {
    /// A document of the page, or one that its rules made.
    pub(super) fn parsed(&self, document: u32) -> Option<&'a Parsed<'a>> {
        let index = document as usize;
        match index.checked_sub(self.documents.len()) {
            None => self.documents[index].as_ref(),
            Some(index) => self.fragments.borrow().get(index),
        }
    }

    pub(super) fn bind(
        &'a self,
        value: &'a Binding<crate::compile::Block>,
        here: Here,
    ) -> Result<Value<'a>, PageError> {
        Ok(match value {
            Binding::Select(expr) => self.scope(here).value(expr)?,
            Binding::Body(body) => Value::Fragment(Rc::from(self.fragment(body, here)?)),
            Binding::Empty => Value::Text("".into()),
        })
    }
}

impl<'a> World<'a> for Page<'a> {
    fn dom(&'a self, document: u32) -> &'a Dom<'a> {
        self.parsed(document)
            .map_or(self.nothing, |parsed| &parsed.dom)
    }

    fn document(&'a self, named: u32) -> Option<u32> {
        self.documents[named as usize + 1]
            .is_some()
            .then_some(named + 1)
    }

    fn parameter(&'a self, name: &str) -> Option<Value<'a>> {
        self.program.value(self.context, name)
    }

    fn global(&'a self, index: u32) -> Result<Value<'a>, PageError> {
        let place = &self.globals[index as usize];
        match &*place.borrow() {
            Known::Is(value) => return Ok(value.clone()),
            // The loader refuses cycles, except for those through templates.
            Known::Soon => return Err(PageError::TooMuchWork),
            Known::Not => {}
        }
        let global = &self.program.globals[index as usize];
        let given = global
            .is_parameter
            .then(|| self.program.value(self.context, &global.name))
            .flatten();
        let value = match given {
            Some(value) => value,
            None => {
                place.replace(Known::Soon);
                self.framed(global.frame, &mut || self.bind(&global.value, TOP))?
            }
        };
        place.replace(Known::Is(value.clone()));
        Ok(value)
    }

    fn local(&'a self, slot: u32) -> Value<'a> {
        let locals = self.locals.borrow();
        let value = locals.get(self.frame.get() + slot as usize);
        value.cloned().flatten().unwrap_or(Value::Text("".into()))
    }

    fn parse(&'a self, html: &str) -> Result<u32, PageError> {
        let index = self.fragments.borrow_mut().add(html, self.program.modes)?;
        Ok((self.documents.len() + index) as u32)
    }
}
