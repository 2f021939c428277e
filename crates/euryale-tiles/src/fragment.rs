//! Parsed documents.

use crate::TileErrorKind;
use crate::outline::{Outline, Placeholder, Span};

/// A document in pieces: text that is sent unchanged, and placeholders.
#[derive(Debug)]
pub(crate) struct Fragment {
    text: String,
    /// All of a page, or the body of a tile; the whole tile if it has neither head nor body.
    pub(crate) body: Vec<Piece>,
    /// The head of a tile, for the head of a page.
    pub(crate) head: Vec<Piece>,
    /// The head without elements that a page may have only once, for a page that already has them.
    pub(crate) head_beside: Vec<Piece>,
    has_head: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the document.
    Text(Span),
    /// The tile at this reference.
    Tile { reference: String, in_head: bool },
    /// Where the contents of tiles' heads are inserted into the page's head.
    Heads,
}

impl Fragment {
    /// Splits a page into pieces.
    pub(crate) fn page(text: String, outline: &Outline) -> Self {
        let mut cuts = tiles(outline);
        let at = heads_at(outline);
        cuts.push((at..at, Some(Piece::Heads)));
        let body = pieces(0..text.len(), cuts);
        Self {
            text,
            body,
            head: Vec::new(),
            head_beside: Vec::new(),
            has_head: false,
        }
    }

    /// Splits a tile into pieces.
    pub(crate) fn tile(text: String) -> Result<Self, TileErrorKind> {
        let outline = Outline::of(&text)?;
        let all = 0..text.len();
        let body = match (&outline.body, &outline.head) {
            (Some(body), _) => body.clone(),
            // The body without its tags.
            (None, Some(head)) => head.end..text.len(),
            (None, None) => all,
        };
        let nothing = |span: &Span| (span.clone(), None);
        let mut in_body = tiles(&outline);
        in_body.extend(outline.shell.iter().map(nothing));
        if outline.body.is_none() && outline.head.is_some() {
            in_body.push((end_tag(&text, body.start), None));
        }
        let mut beside = tiles(&outline);
        beside.extend(outline.titles.iter().chain(&outline.once).map(nothing));
        let head = outline.head.clone().unwrap_or_default();
        let (head, head_beside) = (pieces(head.clone(), tiles(&outline)), pieces(head, beside));
        let has_head = outline.head.is_some();
        Ok(Self {
            body: pieces(body, in_body),
            head,
            head_beside,
            has_head,
            text,
        })
    }

    /// Returns the replacement for a placeholder in a head: the tile's head, or the whole tile if
    /// it has neither head nor body.
    pub(crate) fn for_head(&self) -> &[Piece] {
        if self.has_head {
            &self.head
        } else {
            &self.body
        }
    }

    pub(crate) fn text(&self, span: &Span) -> &str {
        &self.text[span.clone()]
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns the references of all tiles in the document.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.body
            .iter()
            .chain(&self.head)
            .filter_map(|piece| match piece {
                Piece::Tile { reference, .. } => Some(reference.as_str()),
                Piece::Text(_) | Piece::Heads => None,
            })
    }
}

/// Returns the position for the heads of tiles: the end of the page's head, or the start of the
/// content if the page has neither head nor body.
fn heads_at(outline: &Outline) -> usize {
    outline
        .head
        .as_ref()
        .map(|head| head.end)
        .or(outline.body_tag)
        .unwrap_or(outline.top)
}

fn tiles(outline: &Outline) -> Vec<(Span, Option<Piece>)> {
    let in_head = |span: &Span| {
        outline
            .head
            .as_ref()
            .is_some_and(|head| head.contains(&span.start))
    };
    let piece = |tile: &Placeholder| {
        let piece = Piece::Tile {
            reference: tile.reference.clone(),
            in_head: in_head(&tile.span),
        };
        (tile.span.clone(), Some(piece))
    };
    outline.tiles.iter().map(piece).collect()
}

/// Returns the document within `range`, with the cut ranges replaced or removed.
fn pieces(range: Span, mut cuts: Vec<(Span, Option<Piece>)>) -> Vec<Piece> {
    cuts.sort_by_key(|(span, _)| (span.start, span.end));
    let mut pieces = Vec::new();
    let mut at = range.start;
    for (span, piece) in cuts {
        if span.start < at || span.end > range.end {
            continue;
        }
        if span.start > at {
            pieces.push(Piece::Text(at..span.start));
        }
        at = span.end;
        pieces.extend(piece);
    }
    if at < range.end {
        pieces.push(Piece::Text(at..range.end));
    }
    pieces
}

/// Returns the range of the head's end tag, which begins at `at`.
fn end_tag(text: &str, at: usize) -> Span {
    let rest = &text[at..];
    let is_tag = rest
        .get(..6)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("</head"));
    at..at + rest.find('>').filter(|_| is_tag).map_or(0, |end| end + 1)
}
