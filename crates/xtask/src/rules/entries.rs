//! The top level stays on one screen.

use std::collections::BTreeSet;

use super::Finding;

const ALLOWED: [&str; 20] = [
    ".cargo",
    ".ci",
    ".dockerignore",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "examples",
    "rustfmt.toml",
    "tests",
];

pub(crate) fn check(files: &[String]) -> Vec<Finding> {
    let entries: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.split('/').next())
        .collect();
    let foreign = entries.into_iter().filter(|entry| !ALLOWED.contains(entry));
    let remedy = "put it into crates, examples, tests or deploy, or ignore it";
    foreign
        .map(|entry| Finding::new(entry, 1, "not a top-level entry", remedy))
        .collect()
}
