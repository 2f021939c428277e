//! Short files with short lines: a file beyond the limit usually holds two ideas.

use super::{Finding, file_name, is_under};
use crate::source::Source;

const CODE_LINES: usize = 360;
/// Tests are lists of cases, which do not get harder to read with length.
const TEST_LINES: usize = 800;
const COLUMNS: usize = 100;

pub(crate) fn check(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_test =
        file_name(path) == "tests.rs" || is_under(path, "tests") || is_under(path, "benches");
    let limit = if is_test { TEST_LINES } else { CODE_LINES };
    let mut code_lines = 0;
    for line in source.lines() {
        let columns = line.text.chars().count();
        if columns > COLUMNS && !is_table_row(line.comment) {
            let what = format!("{columns} characters in a line");
            findings.push(Finding::new(
                path,
                line.number,
                what,
                format!("break it, {COLUMNS} is the limit"),
            ));
        }
        if line.code.trim().is_empty() {
            continue;
        }
        code_lines += 1;
        if code_lines == limit + 1 {
            let what = format!("more than {limit} lines of code");
            findings.push(Finding::new(
                path,
                line.number,
                what,
                "split the file by idea",
            ));
        }
    }
    findings
}

/// Returns whether this is a row of a Markdown table in a doc comment. A row cannot be broken:
/// Markdown ends it with its line.
fn is_table_row(comment: &str) -> bool {
    let comment = comment.trim();
    let text = comment
        .strip_prefix("//!")
        .or_else(|| comment.strip_prefix("///"));
    text.map(str::trim)
        .is_some_and(|text| text.len() > 1 && text.starts_with('|') && text.ends_with('|'))
}
