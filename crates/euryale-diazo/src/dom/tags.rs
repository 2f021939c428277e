//! Reading one tag.

use super::parse::Parser;
use super::{Attribute, NONE};

/// A start tag, as far as its attributes.
pub(super) struct Opened {
    pub(super) attributes: u32,
    pub(super) count: u32,
    pub(super) id: u32,
    pub(super) class: u32,
    /// Ends with `/>`.
    pub(super) closes_itself: bool,
    /// Where it ends.
    pub(super) end: usize,
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'\x0c')
}

/// The end of the name that begins at `at` (HTML §13.2.5.8).
pub(super) fn name_end(source: &[u8], at: usize) -> usize {
    let end = source[at..]
        .iter()
        .position(|byte| is_space(*byte) || matches!(byte, b'/' | b'>'));
    end.map_or(source.len(), |end| at + end)
}

impl Parser<'_> {
    /// Reads attributes from `at`, the end of the name, to the end of the tag (HTML §13.2.5.32 and
    /// on). Returns `None` if the source ends before the tag, which is then no tag.
    pub(super) fn read_attributes(&mut self, mut at: usize) -> Option<Opened> {
        let source = self.dom.source.as_bytes();
        let first = self.dom.attributes.len();
        let owner = u32::try_from(self.dom.nodes.len()).ok()?;
        let mut id = NONE;
        let mut class = NONE;
        let mut closes_itself = false;
        let end = loop {
            match *source.get(at)? {
                byte if is_space(byte) => at += 1,
                b'>' => break at + 1,
                b'/' => {
                    closes_itself = source.get(at + 1) == Some(&b'>');
                    at += 1;
                }
                _ => {
                    let start = at;
                    // An equals sign at the front belongs to the name.
                    at += 1;
                    while !matches!(*source.get(at)?, b'=' | b'>' | b'/') && !is_space(source[at]) {
                        at += 1;
                    }
                    let name = (start as u32, at as u32);
                    let mut ahead = at;
                    while is_space(*source.get(ahead)?) {
                        ahead += 1;
                    }
                    let (value, bare) = if source[ahead] == b'=' {
                        let value;
                        (value, at) = read_value(source, ahead + 1)?;
                        (value, false)
                    } else {
                        ((at as u32, at as u32), true)
                    };
                    let index = self.dom.attributes.len() as u32;
                    let written = &source[start..name.1 as usize];
                    if self.is_repeated(first, written) {
                        continue;
                    }
                    match written.len() {
                        2 if written.eq_ignore_ascii_case(b"id") => id = index,
                        5 if written.eq_ignore_ascii_case(b"class") => class = index,
                        _ => {}
                    }
                    self.dom.attributes.push(Attribute { name, value, bare });
                }
            }
        };
        if id != NONE {
            self.dom.ids.push(owner);
        }
        let count = (self.dom.attributes.len() - first) as u32;
        Some(Opened {
            attributes: first as u32,
            count,
            id,
            class,
            closes_itself,
            end,
        })
    }

    /// Of two attributes with the same name the first counts. Beyond 64 this is not checked,
    /// because the search would be quadratic.
    fn is_repeated(&self, first: usize, name: &[u8]) -> bool {
        let source = self.dom.source.as_bytes();
        self.dom.attributes[first..].iter().take(64).any(|other| {
            let from = other.name.0 as usize;
            let to = other.name.1 as usize;
            to - from == name.len() && source[from..to].eq_ignore_ascii_case(name)
        })
    }
}

/// Reads a value after its equals sign. Returns its position, and the position after it.
fn read_value(source: &[u8], mut at: usize) -> Option<((u32, u32), usize)> {
    while is_space(*source.get(at)?) {
        at += 1;
    }
    match source[at] {
        quote @ (b'"' | b'\'') => {
            let end = at + 1 + memchr::memchr(quote, &source[at + 1..])?;
            Some((((at + 1) as u32, end as u32), end + 1))
        }
        _ => {
            let start = at;
            while source[at] != b'>' && !is_space(source[at]) {
                at += 1;
                source.get(at)?;
            }
            Some(((start as u32, at as u32), at))
        }
    }
}
