//! Prose: no spaces at the end of a line, and no dead links.

use std::collections::BTreeSet;

use super::{Finding, file_name};

/// Documents whose links are paths in the repository. Other Markdown may be content, with links
/// within its own site.
const LINKED: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// `known` holds every file and folder of the workspace.
pub(crate) fn check(path: &str, text: &str, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let has_links = LINKED.contains(&file_name(path));
    let mut in_fence = false;
    for (line, number) in text.lines().zip(1..) {
        if line.ends_with([' ', '\t']) {
            findings.push(Finding::new(
                path,
                number,
                "white space at the end of the line",
                "remove it",
            ));
        }
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        if !has_links || in_fence || is_fence {
            continue;
        }
        for target in targets(&without_code(line)) {
            if is_broken(path, &target, known) {
                let what = format!("link to `{target}`, which does not exist");
                findings.push(Finding::new(path, number, what, "correct the path"));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` and of `[label]: target`.
fn targets(line: &str) -> Vec<String> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let definition = line
        .trim_start()
        .strip_prefix('[')
        .filter(|rest| !rest.starts_with('^'))
        .and_then(|rest| rest.split_once("]:"))
        .map(|(_, target)| target);
    // A title may follow the target.
    let first = |target: &str| {
        target
            .split_whitespace()
            .next()
            .unwrap_or("")
            .trim_matches(['<', '>'])
            .to_owned()
    };
    inline.chain(definition).map(first).collect()
}

/// Returns the line without its `code spans`, because their text is not a link.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

fn is_broken(path: &str, target: &str, known: &BTreeSet<String>) -> bool {
    let is_foreign =
        target.contains("://") || target.starts_with("mailto:") || target.starts_with('#');
    let file = target.split(['#', '?']).next().unwrap_or("");
    !is_foreign && resolve(path, file).is_none_or(|file| !file.is_empty() && !known.contains(&file))
}

/// Returns the target of a relative link in `path`, or `None` if it leaves the repository.
fn resolve(path: &str, target: &str) -> Option<String> {
    let base = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
