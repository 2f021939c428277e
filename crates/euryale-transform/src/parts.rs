//! Parts of pages, counted by outcome.

use euryale_core::ledger::{Counter, Figures};

/// Documents that the site was asked for on behalf of a page, by outcome.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// They are there.
    pub ok: Counter,
    /// Missing: their address is invalid, outside the site, or not allowed.
    pub address: Counter,
    /// Missing: there are too many of them, they are too large, or too deep in each other.
    pub limit: Counter,
    /// Missing: their answer's status was not that of a document.
    pub status: Counter,
    /// Missing: they are not HTML, or no text.
    pub content: Counter,
    /// Missing: they did not come in time.
    pub elapsed: Counter,
    /// Missing: what makes them failed.
    pub failed: Counter,
}

impl Parts {
    /// Adds them as a family of this name, by the label `outcome`.
    pub fn figures(&self, name: &'static str, help: &'static str, figures: &mut Figures) {
        let outcomes = [
            ("ok", &self.ok),
            ("address", &self.address),
            ("limit", &self.limit),
            ("status", &self.status),
            ("content", &self.content),
            ("elapsed", &self.elapsed),
            ("failed", &self.failed),
        ];
        figures.counters(name, help, "outcome", outcomes);
    }
}
