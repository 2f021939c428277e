//! Runs every rule over the workspace and prints what it finds.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::rules::{
    Finding, codes, cycles, dependencies, entries, examples, manifests, markdown, packages,
    phrases, roots, size, words,
};
use crate::source::Source;
use crate::workspace::Workspace;

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut findings = check(&workspace)?;
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} finding(s)", findings.len());
    }
    for what in packages::unreleasable(&read(&workspace.root, "Cargo.toml")?) {
        println!("before a release: {what}");
    }
    println!(
        "tidy: {} files, {} packages, nothing found",
        workspace.files.len(),
        workspace.packages.len()
    );
    Ok(())
}

fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = entries::check(&workspace.files);
    let known = with_folders(&workspace.files);
    for path in &workspace.files {
        match path.rsplit('.').next() {
            Some("rs") => {
                let source = Source::new(&read(&workspace.root, path)?);
                findings.extend(size::check(path, &source));
                findings.extend(words::check_code(path, &source));
                findings.extend(phrases::check_comments(path, &source));
                findings.extend(packages::check_code(path, &source));
                findings.extend(examples::check(path, &source));
                findings.extend(codes::check(path, &source));
                if roots::is_crate_root(path) {
                    findings.extend(roots::check(
                        path,
                        &source,
                        roots::is_layer_crate(path, &workspace.files),
                    ));
                }
            }
            Some("toml") => {
                findings.extend(words::check_prose(path, &read(&workspace.root, path)?));
            }
            Some("md") => {
                let text = read(&workspace.root, path)?;
                findings.extend(words::check_prose(path, &text));
                findings.extend(markdown::check(path, &text, &known));
                findings.extend(phrases::check_markdown(path, &text));
            }
            _ => {}
        }
    }
    findings.extend(cycles::find(workspace)?);
    let members = dependencies::members(workspace);
    for package in &workspace.packages {
        let manifest = read(&workspace.root, &package.manifest())?;
        findings.extend(manifests::check(package, &manifest));
        findings.extend(packages::check(package, &manifest, &known));
        findings.extend(dependencies::check(package, &manifest, &members));
    }
    Ok(findings)
}

/// The possible targets of links: all files, and every folder with a file.
fn with_folders(files: &[String]) -> BTreeSet<String> {
    let folders = files
        .iter()
        .flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned()));
    folders.chain(files.iter().cloned()).collect()
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))
}
