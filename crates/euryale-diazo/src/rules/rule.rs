//! The types of rules.

use super::inline::Inline;
use super::{DocumentId, Place, TestId};
use crate::xpath::Expr;

/// The default mode of Diazo, which has no name.
pub(crate) const DEFAULT_MODE: u32 = 0;
/// The mode `raw`, in which no rules are applied.
pub(crate) const RAW_MODE: u32 = 1;

/// The action on a node of the theme. `prepend`, `append` and `copy` are `before`, `after` and
/// `replace` of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Before,
    After,
    Replace,
    Drop,
    Strip,
    Prepend,
    Append,
    /// Replaces the children.
    Copy,
    CopyAttributes,
    MergeAttributes,
    DropAttributes,
}

/// A rule about the theme.
#[derive(Debug)]
pub(crate) struct ThemeRule {
    pub(crate) action: Action,
    pub(crate) place: Place,
    pub(crate) when: Vec<TestId>,
    pub(crate) theme: Expr,
    pub(crate) what: What,
    pub(crate) names: Names,
    pub(crate) separator: String,
}

/// The content that goes into the theme.
#[derive(Debug)]
pub(crate) enum What {
    Select(Source),
    Inline(Vec<Inline>),
}

/// Nodes of the content, or of another document.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) select: Expr,
    pub(crate) document: Option<DocumentId>,
    /// The templates that apply. In the mode `raw`, neither templates nor rules about the content
    /// apply.
    pub(crate) mode: u32,
}

/// Names of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) all: bool,
    pub(crate) names: Vec<String>,
}

impl Names {
    pub(crate) fn parse(text: &str) -> Self {
        let names: Vec<String> = text
            .split_ascii_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        Self {
            all: names.iter().any(|name| name == "*"),
            names,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all
            || self
                .names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A rule about the content, which applies wherever it is copied.
#[derive(Debug)]
pub(crate) struct ContentRule {
    pub(crate) place: Place,
    pub(crate) target: ContentTarget,
    pub(crate) when: Vec<TestId>,
    /// The text of the selector. Rules with the same selector are grouped.
    pub(crate) written: String,
    /// The parts of the selector, of which it is a union. Each has its own rank.
    pub(crate) patterns: Vec<(Expr, Rank)>,
}

#[derive(Debug)]
pub(crate) enum ContentTarget {
    Drop,
    DropAttributes(Names),
    Strip,
    /// With `children`, the content is inserted inside, at the beginning or the end.
    Before {
        children: bool,
        inline: Vec<Inline>,
    },
    After {
        children: bool,
        inline: Vec<Inline>,
    },
    Replace {
        children: bool,
        inline: Vec<Inline>,
    },
    /// `xsl:template` with `match`.
    Template {
        template: u32,
        mode: u32,
        kind: Option<WholeKind>,
    },
}

/// A pattern that matches all nodes of a kind, for nodes that no other pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeKind {
    Elements,
    Texts,
    Comments,
    Attributes,
    /// All nodes except attributes.
    Nodes,
}

/// The rank of a pattern. The more specific of two patterns for the same node wins (XSLT 1.0 §5.5).
///
/// The rank is in thousandths of XSLT's priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(i64);

impl Rank {
    /// `node()`, `*`.
    pub(crate) const ANY: Self = Self(-500);
    /// `h2`.
    pub(crate) const NAME: Self = Self(0);
    /// All other patterns.
    pub(crate) const SPECIFIC: Self = Self(500);

    pub(crate) fn of(priority: f64) -> Self {
        Self((priority * 1000.0).round() as i64)
    }
}
