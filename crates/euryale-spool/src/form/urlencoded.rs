//! Parses `application/x-www-form-urlencoded` as in WHATWG URL §5.1, except that invalid UTF-8 is
//! refused and not replaced.

use std::borrow::Cow;
use std::io::Read;
use std::mem;
use std::sync::Arc;

use euryale_core::Error;
use euryale_core::body::SpooledBody;
use percent_encoding::percent_decode;

use super::fields::Fields;
use super::limits::{TEXT, too_large};
use super::{Form, FormLimits};
use crate::budget::Buffer;
use crate::keep::no_room;
use crate::settings::Settings;

/// The number of bytes that are decoded at a time.
const PIECE: u64 = 16 << 10;

/// Reads a form from a body, piece by piece. Blocks if the body is in a file.
pub(crate) fn parse(
    mut body: SpooledBody,
    limits: FormLimits,
    settings: &Arc<Settings>,
) -> Result<Form, Error> {
    let mut parser = Parser::new(limits, settings);
    let mut piece = vec![0; usize::try_from(body.len().min(PIECE)).unwrap_or(0)];
    // The number of bytes at the beginning of `piece` that are left over from the previous one.
    let mut kept = 0;
    loop {
        let read = body.read(&mut piece[kept..]).map_err(no_room)?;
        let filled = &piece[..kept + read];
        if read == 0 {
            parser.take(filled)?;
            return parser.finish();
        }
        let whole = without_half_an_escape(filled);
        parser.take(&filled[..whole])?;
        let rest = whole..filled.len();
        kept = rest.len();
        piece.copy_within(rest, 0);
    }
}

/// Returns the length of `piece` without an incomplete escape at its end.
fn without_half_an_escape(piece: &[u8]) -> usize {
    match piece {
        [.., b'%'] => piece.len() - 1,
        [.., b'%', _] => piece.len() - 2,
        _ => piece.len(),
    }
}

struct Parser {
    fields: Fields,
    /// The number of bytes of text that may still follow.
    left: usize,
    limit: usize,
    /// The name of the current field, once it is complete.
    name: Option<String>,
    /// The text of the current field so far, or its name if that is not complete yet.
    text: Buffer,
    /// Whether any bytes of the current field have been read.
    is_begun: bool,
}

impl Parser {
    fn new(limits: FormLimits, settings: &Arc<Settings>) -> Self {
        let fields = Fields::new(settings, limits);
        Self {
            left: limits.text,
            limit: limits.text,
            name: None,
            text: fields.text(),
            is_begun: false,
            fields,
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Error> {
        for (n, part) in piece.split(|byte| *byte == b'&').enumerate() {
            if n > 0 {
                self.end_field()?;
            }
            self.take_of_field(part)?;
        }
        Ok(())
    }

    fn take_of_field(&mut self, mut part: &[u8]) -> Result<(), Error> {
        self.is_begun |= !part.is_empty();
        if self.name.is_none()
            && let Some(at) = part.iter().position(|byte| *byte == b'=')
        {
            self.decode(&part[..at])?;
            self.end_name()?;
            part = &part[at + 1..];
        }
        self.decode(part)
    }

    fn decode(&mut self, part: &[u8]) -> Result<(), Error> {
        let spaced: Vec<u8> = part
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        let decoded = Cow::from(percent_decode(&spaced));
        let most = self.text.as_slice().len() + self.left;
        self.left = self
            .left
            .checked_sub(decoded.len())
            .ok_or_else(|| too_large(TEXT, self.limit))?;
        self.fields.extend(&mut self.text, &decoded, most)
    }

    fn end_name(&mut self) -> Result<(), Error> {
        let name = mem::replace(&mut self.text, self.fields.text());
        self.name = Some(self.fields.end(name)?);
        Ok(())
    }

    /// Ends a field, unless it is empty.
    fn end_field(&mut self) -> Result<(), Error> {
        if !mem::take(&mut self.is_begun) {
            return Ok(());
        }
        if self.name.is_none() {
            self.end_name()?;
        }
        let name = self.name.take().unwrap_or_default();
        let text = mem::replace(&mut self.text, self.fields.text());
        let text = self.fields.end(text)?;
        self.fields.push_text(name, text)
    }

    fn finish(mut self) -> Result<Form, Error> {
        self.end_field()?;
        Ok(self.fields.into_form())
    }
}
