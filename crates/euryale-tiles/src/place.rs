//! Inserts tiles into a page.

use std::collections::HashSet;
use std::mem;
use std::task::{Context, Poll};

use euryale_subrequest::Caching;

use crate::fetch::Asker;
use crate::fetches::{Fetches, Found};
use crate::fragment::{Fragment, Piece};
use crate::{TileError, TileErrorKind};

/// A page that is being composed: the parts that have arrived, and the tiles that are awaited.
pub(crate) struct Placing {
    asker: Asker,
    page: Fragment,
    fetches: Fetches,
    parts: Vec<Part>,
    /// The first part that has not been taken yet.
    next: usize,
    /// The contents of the tiles' heads. They are collected until the page's own head is sent.
    heads: Option<Vec<String>>,
    /// The heads that have been collected, so that equal heads are sent only once.
    known_heads: HashSet<String>,
    written: Written,
}

enum Part {
    Page(Piece),
    /// A tile that has arrived with everything in it.
    Placed(String),
}

/// The output and its length.
#[derive(Default)]
struct Written {
    text: String,
    heads: Vec<String>,
    placed: usize,
    found: u64,
    size: usize,
    errors: Vec<TileError>,
}

/// A part that is needed has not arrived yet.
struct NotYet;

impl Placing {
    /// Lists the tiles of a page; none is requested before the first [`poll`](Self::poll).
    pub(crate) fn new(asker: Asker, page: Fragment) -> Self {
        let mut fetches = Fetches::new(asker.clone());
        fetches.want(&page, 0);
        let parts = page.body.iter().cloned().map(Part::Page).collect();
        let (known_heads, written) = Default::default();
        Self {
            asker,
            page,
            fetches,
            parts,
            next: 0,
            heads: Some(Vec::new()),
            known_heads,
            written,
        }
    }

    /// Ready when all tiles have arrived or failed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.fetches.poll(cx)
    }

    /// Stops waiting. Tiles that have not arrived count as failed.
    pub(crate) fn give_up(&mut self) {
        self.fetches.give_up();
    }

    /// Returns the caching rules of all inserted tiles.
    pub(crate) fn caching(&self) -> Caching {
        let mut caching = self.fetches.caching().clone();
        if !self.written.errors.is_empty() {
            caching.and(&Caching::never());
        }
        caching
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.next == self.parts.len()
    }

    /// Inserts each tile that has arrived with everything in it.
    pub(crate) fn place(&mut self) {
        for at in self.next..self.parts.len() {
            let Part::Page(Piece::Tile { reference, in_head }) = &self.parts[at] else {
                continue;
            };
            let reference = reference.clone();
            let in_head = *in_head;
            let Written {
                placed,
                found,
                size,
                ..
            } = self.written;
            let errors = self.written.errors.len();
            let is_there = self.tile(&reference, in_head, 0).is_ok();
            let mut text = mem::take(&mut self.written.text);
            let heads = mem::take(&mut self.written.heads);
            if !is_there {
                (self.written.placed, self.written.found, self.written.size) =
                    (placed, found, size);
                self.written.errors.truncate(errors);
                continue;
            }
            let tiles = &self.asker.book.parts;
            tiles.ok.add(self.written.found - found);
            for error in &self.written.errors[errors..] {
                error.kind().counter(tiles).add(1);
                tracing::warn!(page = self.asker.page().uri.path(), "{error}");
            }
            match &mut self.heads {
                Some(collected) => collected.extend(heads),
                None => text.insert_str(0, &self.new_heads(heads)),
            }
            self.parts[at] = Part::Placed(text);
        }
    }

    /// Returns the next part of the page: up to the first tile that has not arrived, but not more
    /// than about the given number of bytes.
    pub(crate) fn take(&mut self, most: usize) -> String {
        let mut taken = String::new();
        while self.next < self.parts.len() && taken.len() < most {
            match &mut self.parts[self.next] {
                Part::Placed(text) => taken.push_str(&mem::take(text)),
                Part::Page(Piece::Text(span)) => taken.push_str(self.page.text(span)),
                Part::Page(Piece::Heads) => {
                    let heads = self.heads.take().unwrap_or_default();
                    taken.push_str(&self.new_heads(heads));
                }
                Part::Page(Piece::Tile { .. }) => break,
            }
            self.next += 1;
        }
        taken
    }

    fn new_heads(&mut self, heads: Vec<String>) -> String {
        heads
            .into_iter()
            .filter(|head| self.known_heads.insert(head.trim().to_owned()))
            .collect()
    }

    fn write(&mut self, document: &Fragment, pieces: &[Piece], nesting: u32) -> Result<(), NotYet> {
        pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(span) => {
                self.written.text.push_str(document.text(span));
                Ok(())
            }
            Piece::Tile { reference, in_head } => self.tile(reference, *in_head, nesting),
            Piece::Heads => Ok(()),
        })
    }

    fn tile(&mut self, reference: &str, in_head: bool, nesting: u32) -> Result<(), NotYet> {
        let found = match self.fetches.find(reference, nesting) {
            Found::NotYet => return Err(NotYet),
            Found::There(tile) => self.count(tile.len()).map(|()| tile),
            Found::Failed(kind) => Err(kind),
        };
        self.written.found += u64::from(found.is_ok());
        match found {
            Ok(tile) if in_head => self.write(&tile, tile.for_head(), nesting + 1),
            Ok(tile) => {
                let before = self.written.text.len();
                self.write(&tile, &tile.head_beside, nesting + 1)?;
                let head = self.written.text.split_off(before);
                self.written.heads.push(head);
                self.write(&tile, &tile.body, nesting + 1)
            }
            Err(kind) => {
                let error = TileError::new(reference, kind);
                // Text would end the head.
                if !in_head {
                    self.written
                        .text
                        .push_str(&(self.asker.settings.error_tile)(self.asker.page(), &error));
                }
                self.written.errors.push(error);
                Ok(())
            }
        }
    }

    /// Counts one more tile of the given size in bytes. A tile in two places counts twice, because
    /// nested tiles multiply.
    fn count(&mut self, len: usize) -> Result<(), TileErrorKind> {
        let settings = &self.asker.settings;
        self.written.placed += 1;
        if self.written.placed > settings.most {
            return Err(TileErrorKind::TooMany);
        }
        self.written.size += len;
        if self.written.size > settings.page_limit {
            Err(TileErrorKind::TooLarge)
        } else {
            Ok(())
        }
    }
}
