//! The counters of tiles.

use euryale_core::ledger::{Book, Figures};
use euryale_subrequest::Parts;

/// Counters of [`Tiles`](crate::Tiles).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TileBook {
    /// The parts of pages, counted when they are inserted: a part that is inserted twice counts
    /// twice. Layouts count as parts.
    pub parts: Parts,
}

impl Book for TileBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Tiles in their places, and missing ones.";
        self.parts.figures("euryale_tiles_total", help, figures);
    }
}
