//! Reads the name and the attributes of a tag.

use super::find::find;
use super::parse::Parser;
use super::{Attribute, NONE, Name};

/// A start tag without its name.
pub(super) struct Opened {
    pub(super) attributes: u32,
    pub(super) count: u32,
    pub(super) id: u32,
    pub(super) class: u32,
    /// Whether the tag ends with `/>`.
    pub(super) closes_itself: bool,
    /// The end of the tag.
    pub(super) end: usize,
}

/// The classes of bytes: those that end the name of an attribute, and others. An equals sign does
/// not end the name of an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Class {
    Other,
    Equals,
    Space,
    Slash,
    Greater,
}

static CLASSES: [Class; 256] = {
    let mut all = [Class::Other; 256];
    let mut byte = 0_u8;
    loop {
        all[byte as usize] = match byte {
            b' ' | b'\n' | b'\t' | b'\r' | b'\x0c' => Class::Space,
            b'/' => Class::Slash,
            b'=' => Class::Equals,
            b'>' => Class::Greater,
            _ => Class::Other,
        };
        if byte == u8::MAX {
            break all;
        }
        byte += 1;
    }
};

fn class(byte: u8) -> Class {
    CLASSES[byte as usize]
}

pub(super) fn is_space(byte: u8) -> bool {
    class(byte) == Class::Space
}

/// Returns the name of an element that begins at `at`, and its end (HTML §13.2.5.8).
pub(super) fn name_at(source: &[u8], at: usize) -> (Name, usize) {
    let mut end = at;
    let mut packed = 0;
    while let Some(byte) = source.get(end)
        && class(*byte) <= Class::Equals
    {
        packed = packed << 8 | u64::from(byte.to_ascii_lowercase());
        end += 1;
    }
    if end - at <= size_of::<u64>() {
        (Name::of_packed(packed), end)
    } else {
        (Name::of(&source[at..end]), end)
    }
}

impl Parser<'_> {
    /// Reads attributes from `at`, the end of the name, to the end of the tag (HTML §13.2.5.32 and
    /// on). Returns `None` if the source ends before the tag does, which is then not a tag.
    fn read_attributes(&mut self, mut at: usize) -> Option<Opened> {
        let source = self.dom.source.as_bytes();
        let first = self.dom.attributes.len();
        let mut id = NONE;
        let mut class_at = NONE;
        let mut closes_itself = false;
        let end = loop {
            match class(*source.get(at)?) {
                Class::Space => at += 1,
                Class::Greater => break at + 1,
                Class::Slash => {
                    closes_itself = source.get(at + 1) == Some(&b'>');
                    at += 1;
                }
                Class::Equals | Class::Other => {
                    let start = at;
                    // A leading equals sign belongs to the name.
                    at += 1;
                    while class(*source.get(at)?) == Class::Other {
                        at += 1;
                    }
                    let written = &source[start..at];
                    let name = (start as u32, at as u32);
                    let mut ahead = at;
                    while is_space(*source.get(ahead)?) {
                        ahead += 1;
                    }
                    let bare = source[ahead] != b'=';
                    let value = if bare {
                        (at as u32, at as u32)
                    } else {
                        let value;
                        (value, at) = read_value(source, ahead + 1)?;
                        value
                    };
                    let index = self.dom.attributes.len() as u32;
                    if index as usize > first && self.is_repeated(first, written) {
                        continue;
                    }
                    match written.len() {
                        2 if written.eq_ignore_ascii_case(b"id") => id = index,
                        5 if written.eq_ignore_ascii_case(b"class") => class_at = index,
                        _ => {}
                    }
                    self.dom.attributes.push(Attribute { name, value, bare });
                }
            }
        };
        let count = (self.dom.attributes.len() - first) as u32;
        Some(Opened {
            attributes: first as u32,
            count,
            id,
            class: class_at,
            closes_itself,
            end,
        })
    }

    /// Reads a start tag from the end of its name on. Many have no attributes.
    #[inline]
    pub(super) fn rest_of_tag(&mut self, at: usize) -> Option<Opened> {
        if self.dom.source.as_bytes().get(at) != Some(&b'>') {
            return self.read_attributes(at);
        }
        Some(Opened {
            attributes: self.dom.attributes.len() as u32,
            count: 0,
            id: NONE,
            class: NONE,
            closes_itself: false,
            end: at + 1,
        })
    }

    /// Returns the end of an end tag. Its attributes are read because they may have quotes, and
    /// ignored.
    pub(super) fn end_of_tag(&mut self, at: usize) -> Option<usize> {
        if self.dom.source.as_bytes().get(at) == Some(&b'>') {
            return Some(at + 1);
        }
        let tag = self.read_attributes(at)?;
        self.dom.attributes.truncate(tag.attributes as usize);
        Some(tag.end)
    }

    /// Returns whether an attribute repeats an earlier name, because then the first one counts.
    /// Beyond 64 attributes this is not checked, because the search would be quadratic.
    #[inline(never)]
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
            let end = at + 1 + find(quote, &source[at + 1..])?;
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
