//! Puts tiles into their places.

use std::collections::HashSet;

use http::request;

use crate::fetches::{Fetches, Slot};
use crate::fragment::{Fragment, Piece};
use crate::settings::Settings;
use crate::{TileError, TileErrorKind};

/// A page that is being written.
pub(crate) struct Placing<'a> {
    fetches: &'a Fetches,
    settings: &'a Settings,
    page: &'a request::Parts,
    written: String,
    /// Where the heads of tiles go, and whose these are.
    heads_at: usize,
    heads: Vec<Slot>,
    placed: usize,
    /// How much of the tiles there may still be, in bytes. A tile that is in two places counts twice.
    left: usize,
    /// What is missing.
    pub(crate) errors: Vec<TileError>,
}

impl<'a> Placing<'a> {
    pub(crate) fn new(fetches: &'a Fetches, settings: &'a Settings, page: &'a request::Parts) -> Self {
        let (written, heads, errors) = Default::default();
        let left = settings.page_limit;
        Self { fetches, settings, page, written, heads_at: 0, heads, placed: 0, left, errors }
    }

    /// Writes the page, and what its tiles have in their heads into its own: once each, and one of those that are equal.
    pub(crate) fn page(&mut self, page: &'a Fragment) -> String {
        self.write(page, &page.body, 0);
        let mut body = std::mem::take(&mut self.written);
        let (mut heads, mut seen) = (String::new(), HashSet::new());
        for slot in std::mem::take(&mut self.heads) {
            if let Some(fragment) = self.fetches.fragment(slot) {
                self.write(fragment, &fragment.head_beside, 1);
                let head = std::mem::take(&mut self.written);
                if seen.insert(head.trim().to_owned()) {
                    heads.push_str(&head);
                }
            }
        }
        body.insert_str(self.heads_at, &heads);
        body
    }

    fn write(&mut self, document: &'a Fragment, pieces: &'a [Piece], nesting: u32) {
        for piece in pieces {
            match piece {
                Piece::Text(span) => self.written.push_str(document.text(span)),
                Piece::Heads => self.heads_at = self.written.len(),
                Piece::Tile { reference, in_head } => self.tile(reference, *in_head, nesting),
            }
        }
    }

    fn tile(&mut self, reference: &str, in_head: bool, nesting: u32) {
        match self.may_place(reference, nesting) {
            Ok((slot, tile)) => {
                if !in_head && !self.heads.contains(&slot) {
                    self.heads.push(slot);
                }
                self.write(tile, if in_head { tile.for_head() } else { &tile.body }, nesting + 1);
            }
            Err(error) => {
                // A text would end the head.
                if !in_head {
                    self.written.push_str(&(self.settings.error_tile)(self.page, &error));
                }
                self.errors.push(error);
            }
        }
    }

    fn may_place(&mut self, reference: &str, nesting: u32) -> Result<(Slot, &'a Fragment), TileError> {
        let found = self.fetches.find(reference, nesting)?;
        self.placed += 1;
        if self.placed > self.settings.most {
            return Err(TileError::new(reference, TileErrorKind::TooMany));
        }
        let left = self.left.checked_sub(found.1.len());
        self.left = left.ok_or_else(|| TileError::new(reference, TileErrorKind::TooLarge))?;
        Ok(found)
    }
}
