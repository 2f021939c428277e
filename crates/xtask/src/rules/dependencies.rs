//! The direction of dependencies between members: layers meet in the facade and in the user's
//! program, never in each other.

use std::collections::BTreeSet;

use super::Finding;
use super::manifests::line_of;
use crate::workspace::Package;

const CORE: &[&str] = &["euryale-core"];
const TRANSFORM: &[&str] = &["euryale-core", "euryale-transform"];

/// What a crate may depend on among the members; no list means anything, for the crates that put
/// the others together.
const ALLOWED: &[(&str, Option<&[&str]>)] = &[
    ("euryale-core", Some(&[])),
    // Layers.
    ("euryale-connection", Some(CORE)),
    ("euryale-publisher", Some(CORE)),
    ("euryale-spool", Some(CORE)),
    ("euryale-promise", Some(CORE)),
    ("euryale-deferred", Some(CORE)),
    ("euryale-blob", Some(CORE)),
    ("euryale-transform", Some(CORE)),
    ("euryale-forwarded", Some(CORE)),
    // Transforms with dependencies of their own.
    ("euryale-theme", Some(TRANSFORM)),
    ("euryale-tiles", Some(TRANSFORM)),
    // What stands around the stack.
    ("euryale-server", Some(CORE)),
    ("euryale-agent-check", Some(CORE)),
    ("euryale-sqlite", Some(CORE)),
    ("euryale-test", Some(CORE)),
    // What puts it together.
    ("euryale", None),
    ("euryale-bench", None),
    ("xtask", Some(&[])),
];

pub(crate) fn check(package: &Package, manifest: &str, members: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let path = package.manifest();
    let allowed = ALLOWED
        .iter()
        .find(|(name, _)| *name == package.name)
        .map(|(_, allowed)| *allowed);
    if allowed.is_none() && package.folder.starts_with("crates/") {
        let what = format!("no rule says what `{}` may depend on", package.name);
        let remedy = "add it to the table in crates/xtask/src/rules/dependencies.rs";
        findings.push(Finding::new(&path, line_of(manifest, "name"), what, remedy));
    }
    for dependency in package
        .dependencies
        .iter()
        .filter(|other| members.contains(other.name.as_str()))
    {
        let name = dependency.name.as_str();
        let mut find = |what: String, remedy: &str| {
            findings.push(Finding::new(&path, line_of(manifest, name), what, remedy));
        };
        if let Some(Some(list)) = allowed
            && !dependency.dev
            && !list.contains(&name)
        {
            let remedy = "meet in the facade, or move what both need to `euryale-core`";
            find(format!("`{}` depends on `{name}`", package.name), remedy);
        }
        // A published manifest keeps a dev-dependency only if it has a version, and then it must
        // already be on the registry: members that test with each other could never be published
        // first.
        match (package.published, dependency.dev, dependency.versioned) {
            (true, true, true) => find(
                format!("dev-dependency on member `{name}` carries a version"),
                "give it a `path` only, or nobody can publish it first",
            ),
            (true, false, false) => find(
                format!("dependency on member `{name}` has no version"),
                "use `workspace = true`, cargo publish needs one",
            ),
            _ => {}
        }
    }
    findings
}
