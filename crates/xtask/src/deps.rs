//! The price of each published crate in crates, so that growth is seen when it happens.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, cargo, output};

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut published: Vec<&str> = workspace
        .packages
        .iter()
        .filter(|package| package.published)
        .map(|package| &*package.name)
        .collect();
    published.sort_unstable();
    let width = published.iter().map(|name| name.len()).max().unwrap_or(0);
    for name in published {
        let tree = output(Command::new(cargo()).args([
            "tree", "--locked", "-e", "normal", "--prefix", "none", "-p", name,
        ]))?;
        println!("{name:width$} {:4}", count(&tree));
    }
    Ok(())
}

/// Distinct crates in the output of `cargo tree`, without the crate itself, which is its first
/// line.
pub(crate) fn count(tree: &str) -> usize {
    let crates: BTreeSet<&str> = tree
        .lines()
        // `(*)` marks a crate whose own tree was printed before.
        .map(|line| line.trim_end_matches(" (*)").trim())
        .filter(|line| !line.is_empty())
        .collect();
    crates.len().saturating_sub(1)
}
