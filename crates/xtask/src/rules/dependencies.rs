//! The direction of dependencies between members: layers meet in the facade and in the user's
//! program, never in each other.

use std::collections::BTreeMap;

use super::Finding;
use super::kinds::Kind;
use super::manifests::line_of;
use crate::workspace::{Package, Workspace};

/// The workspace's packages; those outside of `crates/` have no kind.
pub(crate) type Members<'a> = BTreeMap<&'a str, Option<Kind>>;

pub(crate) fn members(workspace: &Workspace) -> Members<'_> {
    workspace
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package.kind()))
        .collect()
}

pub(crate) fn check(package: &Package, manifest: &str, members: &Members<'_>) -> Vec<Finding> {
    let path = package.manifest();
    let mut findings = Vec::from_iter(kind(package, manifest));
    findings.extend(imports(package, manifest, members));
    for dependency in package
        .dependencies
        .iter()
        .filter(|other| members.contains_key(other.name.as_str()))
    {
        let name = dependency.name.as_str();
        let mut find = |what: String, remedy: &str| {
            findings.push(Finding::new(&path, line_of(manifest, name), what, remedy));
        };
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

/// Each crate has a kind, and exactly the tools are not published.
fn kind(package: &Package, manifest: &str) -> Option<Finding> {
    if !package.folder.starts_with("crates/") {
        return None;
    }
    let line = line_of(manifest, "name");
    let find = |what, remedy| Some(Finding::new(&package.manifest(), line, what, remedy));
    match package.kind() {
        None => {
            let what = format!("`{}` is of no kind", package.name);
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            let remedy = format!(
                "add `[package.metadata.euryale]` with a `kind`, one of {kinds}: it decides what \
                 the crate may import"
            );
            find(what, remedy)
        }
        Some(kind) if (kind == Kind::Tool) == package.published => {
            let what = format!("`{}` is of the kind {kind}", package.name);
            let remedy = "tools have `publish = false`, and nothing else in crates has".to_owned();
            find(what, remedy)
        }
        Some(_) => None,
    }
}

/// The imports that the rule of the package's kind does not allow.
pub(crate) fn imports(package: &Package, manifest: &str, members: &Members<'_>) -> Vec<Finding> {
    let Some(kind) = package.kind() else {
        return Vec::new();
    };
    let import = |name: &str| match members.get(name)? {
        Some(other) if kind.may_import(&package.name, name, *other) => None,
        Some(other) => Some(format!("`{name}`, a crate of the kind {other}")),
        None => Some(format!("`{name}`, which is no crate")),
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.dev)
        .filter_map(|dependency| {
            let name = dependency.name.as_str();
            let what = format!(
                "`{}`, a crate of the kind {kind}, depends on {}",
                package.name,
                import(name)?
            );
            Some(Finding::new(
                &package.manifest(),
                line_of(manifest, name),
                what,
                "meet in the facade, or move what both need to `euryale-core`",
            ))
        })
        .collect()
}
