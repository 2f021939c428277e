//! The counters of parts of pages, by outcome.

use euryale_core::ledger::{Counter, Figures};

/// Documents that were requested from the site on behalf of a page, by outcome.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// Documents that were inserted.
    pub ok: Counter,
    /// Missing documents whose address is invalid, outside the site, or not allowed.
    pub address: Counter,
    /// Missing documents that exceed a limit: too many, too large, or nested too deeply.
    pub limit: Counter,
    /// Missing documents whose answer had another status than 200 or 204.
    pub status: Counter,
    /// Missing documents that are not HTML or not text.
    pub content: Counter,
    /// Missing documents that did not arrive in time.
    pub elapsed: Counter,
    /// Missing documents whose publisher failed.
    pub failed: Counter,
}

impl Parts {
    /// Adds the counters as a metric family of this name with the label `outcome`.
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
