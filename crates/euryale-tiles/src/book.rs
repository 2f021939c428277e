//! The counters of tiles.

use euryale_core::ledger::{Book, Figures};
use euryale_transform::Parts;

/// Counters of [`Tiles`](crate::Tiles).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TileBook {
    /// Parts of pages, as they are put into their places: one that is in two places counts twice. A
    /// layout is one, too.
    pub parts: Parts,
}

impl Book for TileBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Tiles in their places, and missing ones.";
        self.parts.figures("euryale_tiles_total", help, figures);
    }
}
