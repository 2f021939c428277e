//! What a theme counts.

use euryale_core::ledger::{Book, Figures};
use euryale_transform::Parts;

/// What a [`ThemeTransform`](crate::ThemeTransform) counts.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DocumentBook {
    /// Documents that themes take content from.
    pub parts: Parts,
}

impl Book for DocumentBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Documents that themes take content from, and missing ones.";
        let name = "euryale_theme_documents_total";
        self.parts.figures(name, help, figures);
    }
}
