//! Conditions of rules: `if`, `if-content`, `if-path` and their opposites.

use crate::xpath::{Depends, Expr};

/// One condition. All of a rule, and all of the `<rules>` around it, must hold.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) about: About,
    /// The value that the condition must have.
    pub(crate) wanted: bool,
    pub(crate) depends: Depends,
}

#[derive(Debug)]
pub(crate) enum About {
    Expr(Expr),
    Path(Vec<PathPattern>),
}

impl Test {
    pub(super) fn new(about: About, wanted: bool) -> Self {
        let depends = match &about {
            About::Expr(expr) => Depends::of(expr),
            About::Path(_) => Depends::Nothing,
        };
        Self {
            about,
            wanted,
            depends,
        }
    }

    /// Returns whether the condition holds for every page with this path, or `None` if that depends
    /// on the page.
    pub(crate) fn of_path(&self, path: &str) -> Option<bool> {
        match &self.about {
            About::Path(patterns) => {
                Some(patterns.iter().any(|pattern| pattern.matches(path)) == self.wanted)
            }
            About::Expr(_) => None,
        }
    }

    pub(crate) fn expr(&self) -> Option<&Expr> {
        match &self.about {
            About::Expr(expr) => Some(expr),
            About::Path(_) => None,
        }
    }
}

/// One word of an `if-path`: `/a` means begins with, `a/` ends with, `/a/` equals, and `a`
/// contains, always in whole segments.
#[derive(Debug)]
pub(crate) struct PathPattern(String);

impl PathPattern {
    pub(crate) fn all(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace()
            .map(|word| Self(word.to_owned()))
            .collect()
    }

    /// Returns whether the word matches a path, with or without a slash at its end.
    fn matches(&self, path: &str) -> bool {
        let whole = if path.ends_with('/') {
            path.to_owned()
        } else {
            format!("{path}/")
        };
        let word = self.0.as_str();
        match (word.starts_with('/'), word.ends_with('/')) {
            (true, true) => whole == word,
            (false, true) => whole
                .strip_suffix(word)
                .is_some_and(|rest| rest.ends_with('/')),
            (true, false) => whole
                .strip_prefix(word)
                .is_some_and(|rest| rest.starts_with('/')),
            (false, false) => whole.contains(&format!("/{word}/")),
        }
    }
}
