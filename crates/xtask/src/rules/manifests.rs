//! Member manifests: the folder is the name, and the workspace's lints apply.

use super::Finding;
use crate::workspace::Package;

pub(crate) fn check(package: &Package, manifest: &str) -> Vec<Finding> {
    let path = package.manifest();
    let mut findings = Vec::new();
    let mut folders = package.folder.split('/');
    let is_listed = matches!(folders.next(), Some("crates" | "examples"));
    if is_listed && (folders.next() != Some(&package.name) || folders.next().is_some()) {
        let what = format!("package `{}` stands in `{}`", package.name, package.folder);
        findings.push(Finding::new(
            &path,
            line_of(manifest, "name"),
            what,
            "name the folder after the package",
        ));
    }
    if !inherits_lints(manifest) {
        let remedy = "add `[lints]` with `workspace = true`";
        findings.push(Finding::new(
            &path,
            1,
            "the workspace's lints do not apply",
            remedy,
        ));
    }
    findings
}

fn inherits_lints(manifest: &str) -> bool {
    value(manifest, "", "lints.workspace") == Some("true")
        || value(manifest, "[lints]", "workspace") == Some("true")
}

/// Returns the value of `key` in the table with this heading. The top-level table has no heading.
pub(super) fn value<'a>(manifest: &'a str, heading: &str, key: &str) -> Option<&'a str> {
    let mut table = "";
    manifest.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            table = line;
        }
        let (name, value) = line.split('#').next().unwrap_or("").split_once('=')?;
        (table == heading && name.trim() == key).then(|| value.trim())
    })
}

/// The first line that sets `key`, or the first line of the file.
pub(super) fn line_of(manifest: &str, key: &str) -> usize {
    let sets = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with([' ', '=', '.']))
    };
    manifest.lines().position(sets).map_or(1, |index| index + 1)
}
