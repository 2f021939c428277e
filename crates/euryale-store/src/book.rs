//! The counters of stores.

use euryale_core::ledger::{Book, Counter, Figures};

/// Counters of a store of blobs.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct StoreBook {
    /// Blobs opened by a [`FolderStore`](crate::FolderStore) that did not have the length in their
    /// rows.
    pub damaged: Counter,
}

impl Book for StoreBook {
    fn figures(&self, figures: &mut Figures) {
        figures.counter(
            "euryale_blobs_damaged_total",
            "Blobs that were not as long as their rows say.",
            &self.damaged,
        );
    }
}
