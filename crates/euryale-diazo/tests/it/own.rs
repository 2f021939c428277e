//! Diazo's own cases, which come with it.

use std::path::Path;
use std::process::Command;

use euryale_diazo::{Context, Loader};
use serde_json::Value;

use crate::normal::normal;
use crate::python::python;

fn texts(case: &Value, name: &str) -> Vec<(String, String)> {
    let entries = case[name].as_object().unwrap().iter();
    entries
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn themed(case: &Value) -> Result<String, String> {
    let folder = Path::new(case["folder"].as_str().unwrap());
    let mut loader = Loader::new(folder.join("rules.xml"));
    if let Some(theme) = case["theme"].as_str() {
        loader = loader.theme(folder.join(theme));
    }
    if let Some(prefix) = case["prefix"].as_str() {
        loader = loader.prefix(prefix);
    }
    let theme = loader.load().map_err(|error| error.to_string())?;
    let given = texts(case, "given");
    let path = given.iter().find(|(name, _)| name == "path");
    let mut context = Context::new(path.map_or("", |(_, path)| path));
    for (name, value) in texts(case, "known").into_iter().chain(given.clone()) {
        if name != "path" {
            context = context.parameter(name, value);
        }
    }
    let asked: Vec<String> = theme.documents(&context).map(str::to_owned).collect();
    for href in asked {
        if let Ok(html) = std::fs::read_to_string(folder.join(href.trim_start_matches('/'))) {
            context = context.document(href, html);
        }
    }
    let content = std::fs::read_to_string(folder.join("content.html")).unwrap();
    let themed = theme
        .apply(&content, &context)
        .map(std::borrow::Cow::into_owned);
    themed.map_err(|error| error.to_string())
}

#[test]
#[ignore = "asks Diazo itself, which PyPI has and Debian has not; .ci/run installs it where it can"]
fn pages_of_diazos_own_cases_are_the_same() {
    let python = python().expect("a Python with diazo: `cargo run -p euryale-bench -- setup`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own_cases.py");
    let output = Command::new(python).arg(script).output().unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(cases.len() >= 139, "{} cases", cases.len());
    let mut differ = Vec::new();
    let remain = [
        "comments-outside-root-tag",
        "esi",
        "ssi",
        "ssiwait",
        "update-namespace-1",
        "update-namespace-2",
        "update-namespace-3",
    ];
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        if remain.contains(&name) {
            continue;
        }
        let Some(theirs) = case["html"].as_str() else {
            continue;
        };
        match themed(case) {
            Ok(ours) if normal(&ours) == normal(theirs) => {}
            Ok(ours) => differ.push(format!(
                "{name}: differs\n{}\n--- Diazo's\n{}",
                normal(&ours),
                normal(theirs)
            )),
            Err(error) => differ.push(format!("{name}: refused: {error}")),
        }
    }
    let count = differ.len();
    assert!(
        differ.is_empty(),
        "{count} of {}\n{}",
        cases.len(),
        differ.join("\n\n")
    );
}
