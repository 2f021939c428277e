//! The rules: pure functions from text or metadata to findings, one idea a file.

pub(crate) mod codes;
pub(crate) mod cycles;
pub(crate) mod dependencies;
pub(crate) mod entries;
pub(crate) mod examples;
pub(crate) mod kinds;
pub(crate) mod manifests;
pub(crate) mod markdown;
pub(crate) mod packages;
pub(crate) mod paths;
pub(crate) mod phrases;
pub(crate) mod roots;
pub(crate) mod size;
pub(crate) mod words;

use std::fmt;

/// Prints as `path:line: what - what to do`, which editors and terminals turn into a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn new(
        path: &str,
        line: usize,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} - {}",
            self.path, self.line, self.what, self.remedy
        )
    }
}

/// Returns whether `path` is in a folder named `name`, at any depth.
fn is_under(path: &str, name: &str) -> bool {
    path.split('/').rev().skip(1).any(|folder| folder == name)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
