//! Parts of pages, counted by outcome.

use euryale_core::ledger::{Counter, Figures};

/// Documents that were requested from the site on behalf of a page, by outcome.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// They were inserted.
    pub ok: Counter,
    /// Missing: their address is invalid, outside the site, or not allowed.
    pub address: Counter,
    /// Missing: there are too many of them, they are too large, or nested too deeply.
    pub limit: Counter,
    /// Missing: their answer had another status than 200 or 204.
    pub status: Counter,
    /// Missing: they are not HTML, or not text.
    pub content: Counter,
    /// Missing: they did not arrive in time.
    pub elapsed: Counter,
    /// Missing: their publisher failed.
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
