//! The documents of a page, with the marks of the rules about their nodes.

use std::cell::OnceCell;

use super::marks::Marks;
use crate::dom::Dom;
use crate::error::PageError;

/// A document of a page: its content, or one that a rule names.
pub(super) struct Parsed<'a> {
    pub(super) dom: Dom<'a>,
    /// The marks for each mode.
    pub(super) marks: Vec<OnceCell<Marks>>,
}

impl<'a> Parsed<'a> {
    pub(super) fn new(html: &'a str, modes: usize) -> Result<Self, PageError> {
        Ok(Self::of(Dom::parse(html)?, modes))
    }

    pub(super) fn of(dom: Dom<'a>, modes: usize) -> Self {
        Self {
            dom,
            marks: (0..modes).map(|_| OnceCell::new()).collect(),
        }
    }
}
