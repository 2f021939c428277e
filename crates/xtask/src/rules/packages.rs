//! Published packages: complete without the repository around them, and without foreign types that
//! are re-exported by accident.

use std::collections::BTreeSet;

use super::{Finding, manifests};
use crate::source::Source;
use crate::workspace::Package;

/// `known` holds every file and folder of the workspace.
pub(crate) fn check(package: &Package, manifest: &str, known: &BTreeSet<String>) -> Vec<Finding> {
    if !package.published {
        return Vec::new();
    }
    let path = package.manifest();
    let mut findings = Vec::new();
    let mut find = |what: String, remedy: &str| findings.push(Finding::new(&path, 1, what, remedy));
    if !package.folder.starts_with("crates/") {
        find(
            format!("`{}` would be published", package.name),
            "add `publish = false`",
        );
        return findings;
    }
    for (file, instead) in [
        ("README.md", Some("readme")),
        ("LICENSE-MIT", None),
        ("LICENSE-APACHE", None),
    ] {
        let is_there = known.contains(&format!("{}/{file}", package.folder));
        let is_said =
            instead.is_some_and(|key| manifests::value(manifest, "[package]", key).is_some());
        if !is_there && !is_said {
            find(
                format!("no {file} in the package"),
                "add one; a licence is a link to that of the workspace",
            );
        }
    }
    let of_its_own = ["description", "documentation", "keywords", "categories"];
    for key in of_its_own
        .into_iter()
        .chain(["rust-version.workspace", "license.workspace"])
    {
        if manifests::value(manifest, "[package]", key).is_none() {
            find(
                format!("no `{key}`"),
                "add it: a package's page is made of these",
            );
        }
    }
    if manifests::value(manifest, "[package.metadata.docs.rs]", "all-features") != Some("true") {
        find(
            "docs.rs would leave features out".into(),
            "add `all-features = true` for docs.rs",
        );
    }
    findings
}

/// The fields that are missing before a first release and cannot be invented before. They are not
/// findings, but `tidy` prints them. `manifest` is that of the workspace.
pub(crate) fn unreleasable(manifest: &str) -> Vec<&'static str> {
    match manifests::value(manifest, "[workspace.package]", "repository") {
        Some(_) => Vec::new(),
        None => vec![
            "set `repository` in [workspace.package]: without it the READMEs' links lead nowhere \
                on crates.io",
        ],
    }
}

/// The crates whose types a published crate may re-export. A new major version of one of them is a
/// new major version of the crate. CONTRIBUTING.md lists those that appear in signatures.
const HANDED_ON: [(&str, &str); 4] = [
    ("crates/euryale-postgres/", "tokio_postgres"),
    ("crates/euryale-server/", "tokio_rustls"),
    ("crates/euryale-sqlite/", "rusqlite"),
    ("crates/euryale-transform/", "lol_html"),
];

/// Checks a source file of a library: every re-export is its own, another member's, or listed.
pub(crate) fn check_code(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !path.starts_with("crates/") {
        return findings;
    }
    for line in source.lines() {
        let Some(target) = line.code.trim_start().strip_prefix("pub use ") else {
            continue;
        };
        let of = target
            .split([':', ';', ' ', '{'])
            .next()
            .unwrap_or_default();
        let is_own =
            matches!(of, "crate" | "self" | "super" | "std" | "core") || of.starts_with("euryale");
        if !is_own && !HANDED_ON.contains(&(folder(path), of)) {
            let what = format!("`{of}` is handed on");
            let remedy = "its next major version would be one of this crate: wrap it, or argue in \
                packages.rs";
            findings.push(Finding::new(path, line.number, what, remedy));
        }
    }
    findings
}

/// `crates/NAME/` of a library's source file.
fn folder(path: &str) -> &str {
    path.find("/src/").map_or("", |at| &path[..=at])
}
