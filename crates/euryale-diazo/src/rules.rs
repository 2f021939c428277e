//! Rules files: what they say, before it meets a theme.

mod build;
mod condition;
mod expression;
mod files;
mod inline;
mod instruction;
mod reader;
mod rule;
mod selector;
mod toplevel;
mod version;
mod xslt;

pub(crate) use self::condition::Test;
pub(crate) use self::files::Folders;
pub(crate) use self::inline::{Inline, write_start};
pub(crate) use self::instruction::{Binding, Global, Instruction, Part, Pattern, Sort, Template};
pub(crate) use self::reader::{Rules, read};
pub(crate) use self::rule::{
    Action, ContentRule, ContentTarget, Names, Rank, Source, ThemeRule, What,
};
pub(crate) use self::toplevel::WholeKind;
pub(crate) use self::xslt::{DEFAULT_MODE, RAW_MODE};

use std::path::PathBuf;

/// The index of a test in [`Rules::tests`].
pub(crate) type TestId = u32;
/// The index of a document in [`Rules::documents`].
pub(crate) type DocumentId = u32;

/// Where something is written.
#[derive(Clone, Debug)]
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
}
