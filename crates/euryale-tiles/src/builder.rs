//! The settings of tiles.

use std::sync::Arc;
use std::time::Duration;

use euryale_transform::Page;
use http::{Uri, request, response};

use crate::settings::Settings;
use crate::{HasTiles, TileError, Tiles};

impl Tiles {
    /// Composes the pages that are marked with [`HasTiles`], with tiles from any address of the
    /// site.
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Settings::new(Box::new(|_, response| {
                response.extensions.get::<HasTiles>().is_some()
            }))),
        }
    }

    /// Composes the pages for which `pages` is true. Default: those whose response has [`HasTiles`]
    /// in its extensions.
    pub fn pages(
        self,
        pages: impl Fn(&Page, &response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.pages = Box::new(pages))
    }

    /// Fetches only the addresses for which `allow` is true; the others are errors. Layouts and the
    /// targets of redirects are checked as well. Default: all addresses of this site.
    pub fn allow(self, allow: impl Fn(&Uri) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.allow = Some(Arc::new(allow)))
    }

    /// Sets the function that returns the HTML in place of a missing tile. It gets the page's
    /// request; an empty string leaves the tile out. It is not called for tiles in heads, which are
    /// left out if they are missing. Default: a paragraph of the class `tile-error`, in English.
    pub fn error_tile(
        self,
        error_tile: impl Fn(&request::Parts, &TileError) -> String + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.error_tile = Box::new(error_tile))
    }

    /// The maximum number of tiles of one page that are fetched at a time; at least 1, and never
    /// more than there are free connections. Default: 8.
    pub fn parallel(self, most: usize) -> Self {
        self.with(|settings| settings.parallel = most.max(1))
    }

    /// The maximum depth of nested tiles. The tiles of the page itself have depth 1; a redirect is
    /// one level deeper. Default: 10.
    pub fn depth(self, most: u32) -> Self {
        self.with(|settings| settings.depth = most)
    }

    /// The maximum number of tiles of a page, including repeated ones and those in other tiles.
    /// Default: 100.
    pub fn most(self, tiles: usize) -> Self {
        self.with(|settings| settings.most = tiles)
    }

    /// The maximum size of a tile or a layout, in bytes. Default: 512 KiB.
    pub fn tile_limit(self, bytes: usize) -> Self {
        self.with(|settings| settings.tile_limit = bytes)
    }

    /// The maximum size of all tiles of a page together, in bytes. Default: 4 MiB.
    pub fn page_limit(self, bytes: usize) -> Self {
        self.with(|settings| settings.page_limit = bytes)
    }

    /// The maximum time for a tile or a layout, including its wait for a connection. Default: 5 s.
    pub fn deadline(self, within: Duration) -> Self {
        self.with(|settings| settings.deadline = within)
    }

    /// The maximum time for all tiles of a page, including its layout; tiles that are later count
    /// as missing. Keep it below the chain's own deadline, at which the page is sent without tiles.
    /// Default: 8 s.
    pub fn page_deadline(self, within: Duration) -> Self {
        self.with(|settings| settings.page_deadline = within)
    }

    /// After this time the available part of the page is sent, and the rest follows as its tiles
    /// arrive. The content of such a tile's head is then placed before it, and the page may not be
    /// stored, because the caching rules of its tiles are not known yet. A later transform of whole
    /// pages waits for all of it. Default: a page is sent when it is complete.
    pub fn late_after(self, time: impl Into<Option<Duration>>) -> Self {
        let time = time.into();
        self.with(|settings| settings.late_after = time)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        // The settings are not shared before the first page is composed.
        if let Some(settings) = Arc::get_mut(&mut self.settings) {
            change(settings);
        }
        self
    }
}
