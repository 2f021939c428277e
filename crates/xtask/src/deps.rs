//! The crates by level, each with the number of crates that it depends on, so that growth is
//! noticed at once; and the files that import each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::Command;

use anyhow::{Result, bail};

use crate::rules::cycles;
use crate::rules::dependencies::{Members, imports, members};
use crate::workspace::{Package, Workspace, cargo, output};

/// Fails if there is an import that the kinds do not allow, or a cycle of too many files in a
/// package.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let members = members(&workspace);
    let mut prices = BTreeMap::new();
    for package in crates(&workspace.packages) {
        prices.insert(package.name.as_str(), price(&package.name)?);
    }
    print!("{}", show(&workspace.packages, &members, &prices));
    let mut upward = Vec::new();
    for package in &workspace.packages {
        let manifest = std::fs::read_to_string(workspace.root.join(package.manifest()))?;
        upward.extend(imports(package, &manifest, &members));
    }
    for finding in &upward {
        println!("{finding}");
    }
    let cycles = cycles::find(&workspace)?;
    for finding in &cycles {
        println!("{finding}");
    }
    if !upward.is_empty() || !cycles.is_empty() {
        bail!(
            "deps: {} upward import(s), {} cycle(s) of files",
            upward.len(),
            cycles.len()
        );
    }
    Ok(())
}

fn crates(packages: &[Package]) -> impl Iterator<Item = &Package> {
    packages.iter().filter(|package| package.kind().is_some())
}

/// A line for each crate: its name, its kind, the number of its dependencies, and the members that
/// it imports directly. A crate is one level above the highest one that it imports.
pub(crate) fn show(
    packages: &[Package],
    members: &Members<'_>,
    prices: &BTreeMap<&str, usize>,
) -> String {
    let mut levels: BTreeMap<usize, BTreeMap<&str, String>> = BTreeMap::new();
    let width = crates(packages).map(|package| package.name.len()).max();
    let width = width.unwrap_or(0);
    for package in crates(packages) {
        let name = package.name.as_str();
        let kind = members[name].map_or("", |kind| kind.name());
        let price = prices.get(name).copied().unwrap_or(0);
        let imported = imported(package, members).join(" ");
        let line = format!("  {name:width$}  {kind:9} {price:4}  {imported}");
        levels
            .entry(level(name, packages, members))
            .or_default()
            .insert(name, line.trim_end().to_owned());
    }
    let mut out = String::new();
    for (level, lines) in levels.iter().rev() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "level {level}");
        for line in lines.values() {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

fn level(name: &str, packages: &[Package], members: &Members<'_>) -> usize {
    let package = packages.iter().find(|package| package.name == name);
    let imported = package.map_or(Vec::new(), |package| imported(package, members));
    let below = imported
        .into_iter()
        .map(|name| level(name, packages, members) + 1);
    below.max().unwrap_or(0)
}

fn imported<'a>(package: &'a Package, members: &Members<'_>) -> Vec<&'a str> {
    let normal = package.dependencies.iter().filter(|other| !other.dev);
    let names: BTreeSet<&str> = normal
        .map(|other| other.name.as_str())
        .filter(|name| members.contains_key(name))
        .collect();
    names.into_iter().collect()
}

fn price(name: &str) -> Result<usize> {
    let tree = output(Command::new(cargo()).args([
        "tree", "--locked", "-e", "normal", "--prefix", "none", "-p", name,
    ]))?;
    Ok(count(&tree))
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
