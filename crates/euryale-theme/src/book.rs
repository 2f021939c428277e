//! The counters of a theme.

use euryale_core::ledger::{Book, Figures};
use euryale_subrequest::Parts;

/// Counters of a [`ThemeTransform`](crate::ThemeTransform).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DocumentBook {
    /// The documents that themes take content from.
    pub parts: Parts,
}

impl Book for DocumentBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Documents that themes take content from, and missing ones.";
        let name = "euryale_theme_documents_total";
        self.parts.figures(name, help, figures);
    }
}
