//! Rules files, before they are combined with a theme.

mod build;
mod condition;
mod edge;
mod expression;
mod files;
mod include;
mod inline;
mod instruction;
#[cfg(test)]
mod listed;
mod manifest;
mod reader;
mod rule;
mod selector;
mod themes;
mod toplevel;
mod version;
mod xslt;

pub(crate) use self::condition::Test;
pub(crate) use self::edge::ESI;
pub(crate) use self::inline::{Inline, write_start};
pub(crate) use self::instruction::{Binding, Global, Instruction, Part, Pattern, Sort, Template};
pub(crate) use self::reader::{Rules, Settings, read};
pub(crate) use self::rule::{
    Action, ContentRule, ContentTarget, Names, Rank, Source, ThemeRule, What,
};
pub(crate) use self::themes::MARK;
pub(crate) use self::toplevel::WholeKind;
pub(crate) use self::xslt::{DEFAULT_MODE, RAW_MODE};

use std::path::PathBuf;

/// The index of a test in [`Rules::tests`].
pub(crate) type TestId = u32;
/// The index of a document in [`Rules::documents`].
pub(crate) type DocumentId = u32;

/// Includes that a cache in front understands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EdgeIncludes {
    pub(crate) ssi: bool,
    pub(crate) esi: bool,
}

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: u32,
}

/// A `<theme>` or `<notheme>`.
#[derive(Debug)]
pub(crate) struct ThemeFile {
    pub(crate) place: Place,
    pub(crate) when: Vec<TestId>,
    /// None for `<notheme>`.
    pub(crate) html: Option<ThemeHtml>,
}

/// The HTML of a theme and where it comes from.
#[derive(Debug)]
pub(crate) struct ThemeHtml {
    pub(crate) file: PathBuf,
    pub(crate) source: String,
    pub(crate) prefix: Option<String>,
    /// It is written in the rules, so its addresses are not changed.
    pub(crate) is_inline: bool,
    /// It has no `html` around it.
    pub(crate) is_fragment: bool,
    /// Parts of an inline theme that depend on the page. [`MARK`]s in the source have their
    /// numbers.
    pub(crate) computed: Vec<Computed>,
    /// The number of slots for its variables.
    pub(crate) frame: u32,
}

/// A part of an inline theme that depends on the page.
#[derive(Debug)]
pub(crate) enum Computed {
    Part(Inline),
    /// The value of an attribute.
    Value(Pattern),
}
