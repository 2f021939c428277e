//! The page while it is written: text, and at most one open start tag, to which attributes can
//! still be added.

use std::ops::Range;

use crate::dom::{write_attribute, write_attribute_of_text};
use crate::error::PageError;
use crate::xpath::Budget;

/// The maximum size of a themed page in bytes, which stops rules that copy a page into itself.
const MAX_OUT: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Out {
    html: String,
    /// Whether a tag is open: its name and some attributes are written, and others may follow.
    is_open: bool,
    /// The attributes of the open tag.
    attributes: Vec<Written>,
}

/// An attribute of the open tag, by its places in the output.
#[derive(Debug)]
struct Written {
    name: Range<usize>,
    /// The end of the attribute.
    end: usize,
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
        self.html.len()
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
        self.put(budget, name, |html, name| {
            write_attribute(html, name, value, bare);
        })
    }

    /// Adds an attribute with a value that is not escaped yet.
    pub(super) fn attribute_of_text(
        &mut self,
        budget: &Budget,
        name: &str,
        text: &str,
    ) -> Result<(), PageError> {
        self.put(budget, name, |html, name| {
            write_attribute_of_text(html, name, text);
        })
    }

    fn put(
        &mut self,
        budget: &Budget,
        name: &str,
        write: impl FnOnce(&mut String, &str),
    ) -> Result<(), PageError> {
        if !self.is_open {
            return Ok(());
        }
        budget.spend(self.attributes.len())?;
        let html = &self.html;
        let mut known = self.attributes.iter();
        match known.position(|known| html[known.name.clone()].eq_ignore_ascii_case(name)) {
            Some(known) => self.replace(budget, known, write)?,
            None => {
                let begin = self.html.len() + 1;
                write(&mut self.html, name);
                self.attributes.push(Written {
                    name: begin..begin + name.len(),
                    end: self.html.len(),
                });
            }
        }
        self.check()
    }

    /// Writes an attribute of the open tag again, under the name that it has there.
    fn replace(
        &mut self,
        budget: &Budget,
        index: usize,
        write: impl FnOnce(&mut String, &str),
    ) -> Result<(), PageError> {
        let (first, after) = self.attributes.split_at_mut(index + 1);
        let known = &mut first[index];
        let begin = known.name.start - 1;
        let mut attribute = String::new();
        write(&mut attribute, &self.html[known.name.clone()]);
        // All bytes behind the attribute are moved.
        budget.spend(after.len() + (self.html.len() - begin) / 16)?;
        let moved = |place: usize| place - (known.end - begin) + attribute.len();
        for later in after {
            later.name = moved(later.name.start)..moved(later.name.end);
            later.end = moved(later.end);
        }
        self.html.replace_range(begin..known.end, &attribute);
        known.end = begin + attribute.len();
        Ok(())
    }

    fn close(&mut self) {
        self.is_open = false;
        self.attributes.clear();
        self.html.push('>');
    }

    /// Returns the names and escaped values of the open tag's attributes, and whether they have no
    /// value.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.attributes.iter().map(|attribute| {
            let value = &self.html[attribute.name.end..attribute.end];
            let inner = value.strip_prefix("=\"");
            let inner = inner.and_then(|value| value.strip_suffix('"'));
            let name = &self.html[attribute.name.clone()];
            (name, inner.unwrap_or_default(), inner.is_none())
        })
    }

    pub(super) fn finish(mut self) -> String {
        if self.is_open {
            self.close();
        }
        self.html
    }
}

#[cfg(test)]
mod tests {
    use super::Out;
    use crate::xpath::Budget;

    #[test]
    fn the_last_value_of_an_attribute_counts_at_the_place_of_the_first() {
        let budget = Budget::new(1000);
        let mut out = Out::default();
        out.push_str("<p>");
        out.open("a");
        out.attribute(&budget, "Id", "1", false).unwrap();
        out.attribute(&budget, "title", "&lt;", true).unwrap();
        out.attribute(&budget, "hidden", "", true).unwrap();
        out.attribute_of_text(&budget, "ID", "<&\"").unwrap();
        out.attribute_of_text(&budget, "Title", "").unwrap();
        out.attribute(&budget, "id", "22", true).unwrap();
        out.attribute(&budget, "title", "\"", false).unwrap();
        let attributes: Vec<_> = out.attributes().collect();
        let expected = [
            ("Id", "22", false),
            ("title", "&quot;", false),
            ("hidden", "", true),
        ];
        assert_eq!(attributes, expected);
        out.push_str("text");
        out.attribute(&budget, "late", "", true).unwrap();
        let html = "<p><a Id=\"22\" title=\"&quot;\" hidden>text";
        assert_eq!(out.finish(), html);
    }
}
