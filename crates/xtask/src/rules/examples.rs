//! Examples run in the same folder, so no two of them may create a file of the same name.

use super::{Finding, file_name};
use crate::source::Source;

/// Checks that the database of an example's program has the example's name.
pub(crate) fn check(path: &str, source: &Source) -> Vec<Finding> {
    let Some((example, _)) = path
        .strip_prefix("examples/")
        .and_then(|rest| rest.split_once("/src/"))
    else {
        return Vec::new();
    };
    if path.contains("/tests/") || file_name(path) == "tests.rs" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for line in source.lines() {
        let literals = line.text.split('"').skip(1).step_by(2);
        for name in
            literals.filter(|text| text.ends_with(".db") && *text != format!("{example}.db"))
        {
            let what = format!("the example keeps a file called `{name}`");
            let remedy =
                format!("call it `{example}.db`: another example's would be opened in its place");
            findings.push(Finding::new(path, line.number, what, remedy));
        }
    }
    findings
}
