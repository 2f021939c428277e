//! Conditions of rules: `if`, `if-content`, `if-path` and their opposites.

use crate::xpath::{Depends, Expr};

/// One condition. All of a rule, and all of the `<rules>` around it, must hold.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) about: About,
    /// What it must be.
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

    /// Does it hold for every page of this path? None if that depends on the page.
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

/// One word of an `if-path`: `/a` begins with, `a/` ends with, `/a/` is, `a` has, in whole
/// segments.
#[derive(Debug)]
pub(crate) struct PathPattern(String);

impl PathPattern {
    pub(crate) fn all(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace()
            .map(|word| Self(word.to_owned()))
            .collect()
    }

    /// Does it fit a path, whether that ends with a slash or not?
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
