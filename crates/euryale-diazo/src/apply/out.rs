//! The page while it is written: text, and at most one open start tag, to which attributes can
//! still be added.

use std::ops::Range;

use crate::dom::{escape_text, write_attribute};
use crate::error::PageError;
use crate::xpath::Budget;

/// The maximum size of a themed page in bytes, which stops rules that copy a page into itself.
const MAX_OUT: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Out {
    html: String,
    /// Whether a tag is open: its name is written, and its attributes follow.
    is_open: bool,
    attributes: Vec<Pending>,
    /// The names and values of all attributes that were added to the open tag. Values are already
    /// escaped.
    pending: String,
}

/// An attribute of the open tag, by the places of its name and value.
#[derive(Debug)]
struct Pending {
    name: Range<usize>,
    value: Range<usize>,
    bare: bool,
}

impl Out {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            html: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Returns the buffer for text that follows the open tag.
    pub(super) fn html(&mut self) -> &mut String {
        if self.is_open {
            self.close();
        }
        &mut self.html
    }

    pub(super) fn push_str(&mut self, html: &str) {
        if !html.is_empty() {
            self.html().push_str(html);
        }
    }

    /// Returns the number of bytes that were written.
    pub(super) fn len(&self) -> usize {
        self.html.len() + self.pending.len()
    }

    /// Refuses a page that is too long.
    pub(super) fn check(&self) -> Result<(), PageError> {
        if self.len() > MAX_OUT {
            return Err(PageError::TooLong);
        }
        Ok(())
    }

    /// Begins a start tag.
    pub(super) fn open(&mut self, name: &str) {
        let html = self.html();
        html.push('<');
        html.push_str(name);
        self.is_open = true;
    }

    /// Adds an attribute to the open tag. If two have the same name, the last one counts. Once the
    /// element has content, the attribute is ignored.
    pub(super) fn attribute(
        &mut self,
        budget: &Budget,
        name: &str,
        value: &str,
        bare: bool,
    ) -> Result<(), PageError> {
        self.put(budget, name, bare, |pending| pending.push_str(value))
    }

    /// Adds an attribute with a value that is not escaped yet.
    pub(super) fn attribute_of_text(
        &mut self,
        budget: &Budget,
        name: &str,
        text: &str,
    ) -> Result<(), PageError> {
        self.put(budget, name, false, |pending| {
            escape_text(pending, text, false);
        })
    }

    fn put(
        &mut self,
        budget: &Budget,
        name: &str,
        bare: bool,
        write: impl FnOnce(&mut String),
    ) -> Result<(), PageError> {
        if !self.is_open {
            return Ok(());
        }
        budget.spend(self.attributes.len())?;
        let begin = self.pending.len();
        self.pending.push_str(name);
        let named = self.pending.len();
        write(&mut self.pending);
        let value = named..self.pending.len();
        let pending = &self.pending;
        let mut known = self.attributes.iter_mut();
        match known.find(|known| pending[known.name.clone()].eq_ignore_ascii_case(name)) {
            Some(known) => (known.value, known.bare) = (value, bare),
            None => self.attributes.push(Pending {
                name: begin..named,
                value,
                bare,
            }),
        }
        self.check()
    }

    fn close(&mut self) {
        self.is_open = false;
        for Pending { name, value, bare } in self.attributes.drain(..) {
            let pending = &self.pending;
            write_attribute(&mut self.html, &pending[name], &pending[value], bare);
        }
        self.pending.clear();
        self.html.push('>');
    }

    /// Returns the names and escaped values of the open tag's attributes, and whether they have no
    /// value.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        let pending = self.pending.as_str();
        self.attributes.iter().map(move |attribute| {
            (
                &pending[attribute.name.clone()],
                &pending[attribute.value.clone()],
                attribute.bare,
            )
        })
    }

    pub(super) fn finish(mut self) -> String {
        if self.is_open {
            self.close();
        }
        self.html
    }
}
