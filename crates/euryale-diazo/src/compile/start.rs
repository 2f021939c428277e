//! A start tag of the theme whose attributes depend on the page.

use super::When;
use crate::rules::{Names, Pattern};

/// A start tag.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) attributes: Vec<Given>,
    /// All attributes are dropped if one of these conditions holds.
    pub(crate) drop_all: Vec<When>,
    pub(crate) edits: Vec<(When, Edit)>,
    /// Whether the content may begin with attributes.
    pub(crate) stays_open: bool,
}

/// An attribute of the theme.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The computed value, in an inline theme.
    pub(crate) computed: Option<Pattern>,
    pub(crate) bare: bool,
    /// The attribute is dropped if one of these conditions holds.
    pub(crate) drop: Vec<When>,
}

/// An attribute of the theme before rules are applied.
pub(super) struct GivenNow {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) computed: Option<Pattern>,
    pub(super) bare: bool,
}

#[derive(Debug)]
pub(crate) enum Edit {
    /// Copies the attributes of the nodes of a source.
    Copy { source: u32, names: Names },
    /// Joins the theme's values with those of the nodes of a source.
    Merge {
        source: u32,
        names: Names,
        separator: String,
    },
    /// A source that selects attributes.
    Selected { source: u32 },
}
