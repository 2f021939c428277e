//! Documents that are made from the output of rules.

use std::cell::OnceCell;

use super::parsed::Parsed;
use crate::dom::Dom;
use crate::error::PageError;

/// The maximum number of documents that a page may create from the output of rules.
const MAX_FRAGMENTS: usize = 100_000;

/// The number of documents in one link of an arena.
const LINK: usize = 256;

/// Keeps the output of rules in a fixed place, so that documents can borrow it. It is a chain
/// because nothing may move, and has few links because it is dropped recursively.
#[derive(Default)]
pub(super) struct Arena<'a> {
    slots: OnceCell<Vec<Slot<'a>>>,
    next: OnceCell<Box<Arena<'a>>>,
}

#[derive(Default)]
struct Slot<'a> {
    html: OnceCell<String>,
    parsed: OnceCell<Parsed<'a>>,
}

/// The documents of an arena.
pub(super) struct Fragments<'a> {
    last: &'a Arena<'a>,
    all: Vec<&'a Parsed<'a>>,
}

impl<'a> Fragments<'a> {
    pub(super) fn new(arena: &'a Arena<'a>) -> Self {
        Self {
            last: arena,
            all: Vec::new(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&'a Parsed<'a>> {
        self.all.get(index).copied()
    }

    /// Parses a copy of the HTML, and returns the number of the document.
    pub(super) fn add(&mut self, html: &str, modes: usize) -> Result<usize, PageError> {
        let index = self.all.len();
        if index == MAX_FRAGMENTS {
            return Err(PageError::TooMuchWork);
        }
        if index > 0 && index.is_multiple_of(LINK) {
            self.last = self.last.next.get_or_init(Box::default);
        }
        let new = || (0..LINK).map(|_| Slot::default()).collect();
        let slot = &self.last.slots.get_or_init(new)[index % LINK];
        let html = slot.html.get_or_init(|| html.to_owned());
        let dom = Dom::parse_fragment(html).map_err(|_| PageError::TooMuchWork)?;
        self.all
            .push(slot.parsed.get_or_init(|| Parsed::of(dom, modes)));
        Ok(index)
    }
}
