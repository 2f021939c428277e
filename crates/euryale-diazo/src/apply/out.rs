//! The page while it is written: text, and at most one open start tag, to which attributes can
//! still be added.

use crate::dom::write_attribute;
use crate::error::PageError;
use crate::xpath::Budget;

/// The maximum size of a themed page in bytes: it stops rules that copy a page into itself.
const MAX_OUT: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Out {
    html: String,
    /// A tag is open: its name is written, and these attributes follow. Values are escaped already.
    attributes: Vec<(String, String, bool)>,
    is_open: bool,
    /// Bytes of all names and values that were added to the open tag.
    pending: usize,
}

impl Out {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            html: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Text that follows the open tag.
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

    /// The number of bytes that were written.
    pub(super) fn len(&self) -> usize {
        self.html.len() + self.pending
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

    /// Adds an attribute to the open tag; of two with the same name the last counts. Once the
    /// element has content, the attribute is ignored.
    pub(super) fn attribute(
        &mut self,
        budget: &Budget,
        name: &str,
        value: &str,
        bare: bool,
    ) -> Result<(), PageError> {
        if !self.is_open {
            return Ok(());
        }
        budget.spend(self.attributes.len())?;
        self.pending += name.len() + value.len();
        let mut known = self.attributes.iter_mut();
        match known.find(|known| known.0.eq_ignore_ascii_case(name)) {
            Some(known) => (known.1, known.2) = (value.to_owned(), bare),
            None => self
                .attributes
                .push((name.to_owned(), value.to_owned(), bare)),
        }
        self.check()
    }

    fn close(&mut self) {
        self.is_open = false;
        self.pending = 0;
        for (name, value, bare) in self.attributes.drain(..) {
            write_attribute(&mut self.html, &name, &value, bare);
        }
        self.html.push('>');
    }

    /// The attributes of the open tag.
    pub(super) fn into_attributes(self) -> Vec<(String, String, bool)> {
        self.attributes
    }

    pub(super) fn finish(mut self) -> String {
        if self.is_open {
            self.close();
        }
        self.html
    }
}
