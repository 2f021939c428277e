//! Crate roots: documentation first, the same headings in every layer crate, and nothing but the
//! table of contents.

use super::Finding;
use crate::source::{Source, has_word};

/// The headings about which a user must know before putting a layer into a stack.
const HEADINGS: [&str; 4] = ["# Cancellation", "# Backpressure", "# Errors", "# Panics"];
const ITEMS: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "impl",
    "const",
    "static",
    "type",
    "macro_rules!",
];

/// Checks the roots of library crates; programs (xtask, examples) have none.
pub(crate) fn is_crate_root(path: &str) -> bool {
    folder(path).is_some_and(|name| name == "euryale" || name.starts_with("euryale-"))
}

/// A crate with a `layer.rs` in its `src` is a layer crate, whatever its name.
pub(crate) fn is_layer_crate(root: &str, files: &[String]) -> bool {
    let src = root.trim_end_matches("lib.rs");
    files
        .iter()
        .any(|file| file.starts_with(src) && file.ends_with("/layer.rs"))
}

pub(crate) fn check(path: &str, source: &Source, is_layer: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source
        .lines()
        .next()
        .is_some_and(|line| line.text.starts_with("//!"))
    {
        findings.push(Finding::new(
            path,
            1,
            "the crate has no documentation on top",
            "start with `//!`",
        ));
    }
    if is_layer {
        for heading in HEADINGS {
            if !source
                .lines()
                .any(|line| line.text.strip_prefix("//! ") == Some(heading))
            {
                let what = format!("no `{heading}` in a layer crate's documentation");
                findings.push(Finding::new(
                    path,
                    1,
                    what,
                    "add it: users compose layers by these answers",
                ));
            }
        }
    }
    for line in source.lines() {
        let code = line.code.replace("'static", "");
        if let Some(item) = ITEMS.iter().find(|item| has_word(&code, item)) {
            let what = format!("`{item}` in a crate root");
            findings.push(Finding::new(
                path,
                line.number,
                what,
                "move it to a module and re-export it",
            ));
        }
    }
    findings
}

fn folder(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/src/lib.rs")
}
