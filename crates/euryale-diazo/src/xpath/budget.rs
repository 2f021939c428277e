//! The limit on the work for one page.

use std::cell::Cell;

use crate::error::PageError;

/// The number of nodes that may still be examined for one page. The limit stops rules that combine
/// all nodes with all nodes, which would run for an hour.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    pub(crate) fn new(nodes: u64) -> Self {
        Self(Cell::new(nodes))
    }

    pub(crate) fn spend(&self, nodes: usize) -> Result<(), PageError> {
        let left = self
            .0
            .get()
            .checked_sub(nodes as u64)
            .ok_or(PageError::TooMuchWork)?;
        self.0.set(left);
        Ok(())
    }
}
