//! The names of error codes: each begins with its crate, and no two are equal.

use std::collections::BTreeSet;

use super::{Finding, file_name};
use crate::source::Source;

/// Checks the `codes.rs` of a crate.
pub(crate) fn check(path: &str, source: &Source) -> Vec<Finding> {
    let owner = path
        .strip_prefix("crates/euryale-")
        .and_then(|rest| rest.split_once("/src/"));
    let Some((owner, _)) = owner.filter(|_| file_name(path) == "codes.rs") else {
        return Vec::new();
    };
    let prefix = format!("{}.", owner.replace('-', "_"));
    let mut findings = Vec::new();
    let mut names = BTreeSet::new();
    let mut is_expected = false;
    for line in source.lines() {
        is_expected |= line.code.contains("Code::new(");
        // The first literal of a code is its name.
        let name = line.text.split('"').nth(1);
        let Some(name) = name.filter(|_| is_expected && line.code.contains('"')) else {
            continue;
        };
        is_expected = false;
        if !name.starts_with(&prefix) {
            let what = format!("the code's name is `{name}`");
            let remedy = format!("let it begin with `{prefix}`: other crates have codes, too");
            findings.push(Finding::new(path, line.number, what, remedy));
        }
        if !names.insert(name.to_owned()) {
            let what = format!("another code has the name `{name}`");
            let remedy = "name it by what happened: programs tell codes apart by their names";
            findings.push(Finding::new(path, line.number, what, remedy));
        }
    }
    findings
}
