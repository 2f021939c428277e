//! The HTML of a theme, before it is compiled.

use std::path::PathBuf;

use super::inline::Inline;
use super::instruction::Pattern;
use super::{Place, TestId};

/// The character that surrounds the number of a computed part in a theme's HTML. XML cannot contain
/// it.
pub(crate) const MARK: char = '\u{1}';

/// A `<theme>` or `<notheme>`.
#[derive(Debug)]
pub(crate) struct ThemeFile {
    pub(crate) place: Place,
    pub(crate) when: Vec<TestId>,
    /// The HTML; `None` for `<notheme>`.
    pub(crate) html: Option<ThemeHtml>,
}

/// The HTML of a theme and where it comes from.
#[derive(Debug)]
pub(crate) struct ThemeHtml {
    pub(crate) file: PathBuf,
    pub(crate) source: String,
    pub(crate) prefix: Option<String>,
    /// Whether the HTML is written in the rules, so that its addresses are not changed.
    pub(crate) is_inline: bool,
    /// Whether the HTML has no `html` element around it.
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

impl ThemeHtml {
    pub(super) fn of(file: PathBuf, source: String) -> Self {
        Self {
            file,
            source,
            prefix: None,
            is_inline: false,
            is_fragment: false,
            computed: Vec::new(),
            frame: 0,
        }
    }
}
