//! Rules files, before they are combined with a theme.

mod attribute;
mod body;
mod build;
mod condition;
mod edge;
mod entities;
mod expression;
mod files;
mod folders;
mod include;
mod inline;
mod instruction;
#[cfg(test)]
mod listed;
mod manifest;
mod namespace;
mod plone;
mod reader;
mod rule;
mod rules_file;
mod selector;
mod theme;
mod themes;
mod toplevel;
mod version;
mod xslt;

pub(crate) use self::condition::Test;
pub(crate) use self::edge::ESI;
pub(crate) use self::inline::{Inline, write_start};
pub(crate) use self::instruction::{
    Binding, Global, Instruction, NamePattern, Part, Pattern, Sort, Template,
};
pub(crate) use self::reader::{Rules, Settings, read};
pub(crate) use self::rule::{
    Action, ContentRule, ContentTarget, DEFAULT_MODE, Names, RAW_MODE, Rank, Source, ThemeRule,
    What, WholeKind,
};
pub(crate) use self::theme::{Computed, MARK, ThemeFile, ThemeHtml};

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
