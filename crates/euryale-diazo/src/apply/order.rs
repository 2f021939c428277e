//! Comments that a cache in front executes: server-side includes, and HTML for ESI.

use crate::dom::written_text;

/// Characters with a meaning in a command, which end a value or a tag, or begin a variable.
const ACTIVE: [char; 7] = ['"', '\'', '`', '\\', '<', '>', '$'];

/// A piece of a comment's text.
pub(super) struct Piece {
    /// Whether the piece is literal text of the rules. Other pieces may be text of the page.
    is_fixed: bool,
    text: String,
}

/// Returns the pieces of HTML that end at these positions, each either fixed or computed.
pub(super) fn pieces(html: &str, ends: &[(bool, usize)]) -> Vec<Piece> {
    let mut begin = 0;
    let piece = |&(is_fixed, end)| {
        let text = written_text(&html[begin..end]).into_owned();
        begin = end;
        Piece { is_fixed, text }
    };
    ends.iter().map(piece).collect()
}

/// Returns whether a cache in front executes a comment with this text: a server-side include, or
/// HTML that is only visible to ESI.
pub(super) fn is_order(text: &str) -> bool {
    text.starts_with('#') || text.starts_with("esi")
}

/// Returns whether a command is determined only by the rules: it begins with their text, and
/// computed text is inside a quoted value or between the tags of ESI, and has no active character.
pub(super) fn is_by_rules(text: &str, pieces: &[Piece]) -> bool {
    let mut pieces = pieces.iter().filter(|piece| !piece.text.is_empty());
    // A tag that begins in one piece and ends in another may hide the text in between.
    let whole: String = pieces.clone().map(|piece| piece.text.as_str()).collect();
    let begins = pieces
        .clone()
        .next()
        .is_some_and(|first| first.is_fixed && is_order(&first.text));
    if whole != text || !begins {
        return false;
    }
    let mut place = Place::of(text);
    pieces.all(|piece| {
        if piece.is_fixed {
            piece.text.chars().for_each(|c| place.pass(c));
            return true;
        }
        place.takes_text() && !piece.text.contains(ACTIVE)
    })
}

/// A position in a command.
struct Place {
    is_ssi: bool,
    in_tag: bool,
    quote: Option<char>,
}

impl Place {
    /// The beginning of a command.
    fn of(text: &str) -> Self {
        let is_ssi = text.starts_with('#');
        Self {
            is_ssi,
            in_tag: is_ssi,
            quote: None,
        }
    }

    fn pass(&mut self, c: char) {
        match (self.quote, c) {
            (Some(open), _) if open == c => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if self.in_tag => self.quote = Some(c),
            (None, '`') if self.is_ssi => self.quote = Some(c),
            (None, '<' | '>') if !self.is_ssi => self.in_tag = c == '<',
            (None, _) => {}
        }
    }

    fn takes_text(&self) -> bool {
        !self.in_tag || self.quote.is_some()
    }
}
