//! Tests that the reference lists exactly the names that the parser supports.

use super::attribute::CONDITIONS;
use super::build::{KNOWN, RULES};
use crate::xpath::Function;
use crate::{LoadError, Theme};

const REFERENCE: &str = include_str!("../reference.rs");

/// All elements of XSLT 1.0 (appendix B).
const XSLT: [&str; 35] = [
    "apply-imports",
    "apply-templates",
    "attribute",
    "attribute-set",
    "call-template",
    "choose",
    "comment",
    "copy",
    "copy-of",
    "decimal-format",
    "element",
    "fallback",
    "for-each",
    "if",
    "import",
    "include",
    "key",
    "message",
    "namespace-alias",
    "number",
    "otherwise",
    "output",
    "param",
    "preserve-space",
    "processing-instruction",
    "sort",
    "strip-space",
    "stylesheet",
    "template",
    "text",
    "transform",
    "value-of",
    "variable",
    "when",
    "with-param",
];

/// Returns the rows of the table whose head begins with this name.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let lines = REFERENCE
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    let rows = lines
        .skip_while(|line| !line.starts_with(&format!("| {name} |")))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(str::trim).collect())
        .collect()
}

/// Returns the words in backquotes in the first cell.
fn names(row: &[&'static str]) -> Vec<&'static str> {
    row[1].split('`').skip(1).step_by(2).collect()
}

/// Returns the state of a name in a table.
fn state(rows: &[Vec<&'static str>], name: &str) -> Option<&'static str> {
    let row = rows.iter().find(|row| names(row).contains(&name));
    row.map(|row| row[2])
}

fn load(inner: &str) -> Result<Theme, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        "<rules xmlns=\"http://namespaces.plone.org/diazo\" \
         xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">{inner}</rules>"
    );
    std::fs::write(folder.path().join("rules.xml"), rules).unwrap();
    Theme::load(folder.path().join("rules.xml"))
}

#[test]
fn each_rule_is_listed() {
    let rows = table("rule");
    for rule in RULES
        .iter()
        .chain(&["theme", "notheme", "include", "rules"])
    {
        let is_listed = rows.iter().flat_map(|row| names(row)).any(|name| {
            let name = name.trim_start_matches('<');
            name.split([' ', '>']).next() == Some(rule)
        });
        assert!(is_listed, "<{rule}>");
    }
}

#[test]
fn each_attribute_is_listed() {
    let rows = table("attribute");
    for attribute in KNOWN.iter().chain(&CONDITIONS).chain(&["prefix"]) {
        let is_listed = rows
            .iter()
            .flat_map(|row| names(row))
            .any(|name| name.split('=').next() == Some(attribute));
        assert!(is_listed, "{attribute}");
    }
    for method in ["document", "transform", "raw", "ssi", "ssiwait", "esi"] {
        let rule =
            format!("<replace theme=\"//p\" href=\"/a\" content=\"//b\" method=\"{method}\"/>");
        let is_error = load(&rule).is_err();
        let quoted = [format!("method=\"{method}\""), format!("\"{method}\"")];
        let row = rows.iter().find(|row| {
            names(row)
                .iter()
                .any(|name| quoted.iter().any(|quoted| name == quoted))
        });
        let state = row.map(|row| row[2]).unwrap_or_default();
        assert_eq!(state.starts_with("an error"), is_error, "{method}: {state}");
    }
}

#[test]
fn each_instruction_behaves_as_listed_in_the_table() {
    let rows = table("instruction");
    for name in XSLT {
        let state = state(&rows, name).unwrap_or_else(|| panic!("<xsl:{name}> is not listed"));
        let in_rule = format!("<before theme=\"//p\"><xsl:{name}/></before>");
        let at_root = format!("<xsl:{name} name=\"a\"/>");
        let is_refused = |inner: &str| {
            let error = load(inner).err();
            error.is_some_and(|error| error.to_string().contains("is not supported"))
        };
        // These are only supported inside another instruction, or in other places.
        let is_part = ["when", "otherwise", "template"].contains(&name);
        let is_error = is_refused(&in_rule) && is_refused(&at_root) && !is_part;
        assert_eq!(
            state.starts_with("an error"),
            is_error,
            "<xsl:{name}>: {state}"
        );
    }
    for name in rows.iter().flat_map(|row| names(row)) {
        let is_other = name.contains('=') || name.starts_with(['<', 'u', 'l', 'd']);
        assert!(XSLT.contains(&name) || is_other, "{name} is not XSLT");
    }
}

#[test]
fn each_function_is_listed() {
    let text = REFERENCE.split("the functions").nth(1).unwrap();
    let text = text.split("`document()`").next().unwrap();
    let mut listed: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let mut known: Vec<&str> = Function::names().collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}
