//! Lists of the elements by their names, which are built while a page is parsed.

use super::{Id, NONE, Name};

/// The number of lists. Names that share a list are distinguished when it is read.
const LISTS: usize = 64;

/// The first element of each list, and the last one so far. The others follow through
/// `next_named` of the nodes.
#[derive(Debug)]
pub(super) struct Names {
    first: [Id; LISTS],
    last: [Id; LISTS],
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            first: [NONE; LISTS],
            last: [NONE; LISTS],
        }
    }

    /// Returns the first element in the list of a name. The element may have another name.
    pub(super) fn first(&self, name: Name) -> Id {
        self.first[name.hash() % LISTS]
    }

    /// Adds an element, and returns the one before it in its list.
    pub(super) fn add(&mut self, name: Name, id: Id) -> Option<Id> {
        let list = name.hash() % LISTS;
        let before = std::mem::replace(&mut self.last[list], id);
        if before == NONE {
            self.first[list] = id;
            return None;
        }
        Some(before)
    }

    /// Changes the numbers of all elements.
    pub(super) fn each(&mut self, change: impl Fn(&mut Id)) {
        self.first.iter_mut().for_each(change);
    }
}
