//! Settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::request::Route;
use euryale_transform::Page;
use http::{Uri, request, response};

use crate::TileError;

pub(crate) type Pages = dyn Fn(&Page, &response::Parts) -> bool + Send + Sync;
type Allow = dyn Fn(&Uri) -> bool + Send + Sync;
type ErrorTile = dyn Fn(&request::Parts, &TileError) -> String + Send + Sync;

pub(crate) struct Settings {
    pub(crate) pages: Box<Pages>,
    pub(crate) allow: Option<Arc<Allow>>,
    pub(crate) error_tile: Box<ErrorTile>,
    pub(crate) parallel: usize,
    pub(crate) depth: u32,
    pub(crate) most: usize,
    pub(crate) tile_limit: usize,
    pub(crate) page_limit: usize,
    pub(crate) deadline: Duration,
    pub(crate) page_deadline: Duration,
    pub(crate) late_after: Option<Duration>,
    pub(crate) route: Route,
}

impl Settings {
    /// Composes the pages for which `pages` is true.
    pub(crate) fn new(pages: Box<Pages>) -> Self {
        Self {
            pages,
            allow: None,
            error_tile: Box::new(|_, _| ERROR_TILE.to_owned()),
            parallel: 8,
            depth: 10,
            most: 100,
            tile_limit: 512 << 10,
            page_limit: 4 << 20,
            deadline: Duration::from_secs(5),
            page_deadline: Duration::from_secs(8),
            late_after: None,
            route: Route::new("tile"),
        }
    }
}

const ERROR_TILE: &str = r#"<p class="tile-error">This part of the page is not available.</p>"#;

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("parallel", &self.parallel)
            .field("depth", &self.depth)
            .field("most", &self.most)
            .field("tile_limit", &self.tile_limit)
            .field("page_limit", &self.page_limit)
            .field("deadline", &self.deadline)
            .field("page_deadline", &self.page_deadline)
            .field("late_after", &self.late_after)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
