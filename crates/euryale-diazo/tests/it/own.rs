//! Pages that Diazo themes while the test runs: its own test cases, the default theme of Plone 6,
//! and random rules.

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
    let mut loader = Loader::new(folder.join("rules.xml")).ssi().esi();
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
    let content = match case["content"].as_str() {
        Some(content) => content.to_owned(),
        None => std::fs::read_to_string(folder.join("content.html")).unwrap(),
    };
    let themed = theme
        .apply(&content, &context)
        .map(std::borrow::Cow::into_owned);
    themed.map_err(|error| error.to_string())
}

/// The output of the script, as a list.
fn ask(script: &str, arguments: &[String]) -> Vec<Value> {
    let python = python().expect("a Python with diazo: `cargo run -p euryale-bench -- setup`");
    ask_of(&python, script, arguments)
}

fn ask_of(python: &Path, script: &str, arguments: &[String]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(script);
    let mut command = Command::new(python);
    let output = command.arg(script).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The differences.
fn differ(name: &str, ours: Result<String, String>, theirs: &str) -> Option<String> {
    match ours {
        Ok(ours) if normal(&ours) == normal(theirs) => None,
        Ok(ours) => Some(format!(
            "{name}: differs\n{}\n--- Diazo's\n{}",
            normal(&ours),
            normal(theirs)
        )),
        Err(error) => Some(format!("{name}: refused: {error}")),
    }
}

/// Fails with all differences, if there are any.
fn assert_none(differs: &[String], all: usize) {
    let count = differs.len();
    assert!(
        differs.is_empty(),
        "{count} of {all}\n{}",
        differs.join("\n\n")
    );
}

fn compare(cases: &[Value]) {
    let mut differs = Vec::new();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        // ESI is written as XML, which caches demand; lxml's HTML has end tags.
        let written = |html: &str| html.replace("></esi:include>", "/>");
        if let Some(theirs) = case["html"].as_str() {
            differs.extend(differ(name, themed(case), &written(theirs)));
        }
    }
    assert_none(&differs, cases.len());
}

#[test]
#[ignore = "asks Diazo itself, which PyPI has and Debian has not; .ci/run installs it where it can"]
fn pages_of_diazos_own_cases_are_the_same() {
    let cases = ask("own_cases.py", &[]);
    assert!(cases.len() >= 139, "{} cases", cases.len());
    compare(&cases);
}

#[test]
#[ignore = "asks Diazo itself, and PyPI for the theme; .ci/run installs it where it can"]
fn pages_in_the_default_theme_of_plone_are_the_same() {
    let cases = ask("plone.py", &[]);
    assert!(cases.len() >= 10, "{} cases", cases.len());
    compare(&cases);
}

/// `cargo xtask python plone` starts the Plone, asks it for the pages, and runs this.
#[test]
#[ignore = "needs the pages of a running Plone; `cargo xtask python plone` fetches them"]
fn pages_of_a_running_plone_are_the_same() {
    let set = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name}: run `cargo xtask python plone`"))
    };
    let python = set("EURYALE_PLONE_PYTHON");
    let cases = ask_of(
        Path::new(&python),
        "plone.py",
        &[set("EURYALE_PLONE_PAGES")],
    );
    assert!(cases.len() >= 10, "{} cases", cases.len());
    let is_themed = |case: &&Value| {
        let html = case["html"].as_str().unwrap_or_default();
        html.contains("id=\"mainnavigation-wrapper\"")
    };
    let themed = cases.iter().filter(is_themed).count();
    assert!(themed >= 10, "{themed} of {} are themed", cases.len());
    compare(&cases);
}

/// `EURYALE_RANDOM_RULES=2000` is the long run; `EURYALE_RANDOM_SEED` sets another seed.
#[test]
#[ignore = "asks Diazo itself, which PyPI has and Debian has not; .ci/run installs it where it can"]
fn pages_of_random_rules_are_the_same() {
    let number = |name: &str, otherwise: &str| {
        let set = std::env::var(name).ok();
        set.unwrap_or_else(|| otherwise.to_owned())
    };
    let seed = number("EURYALE_RANDOM_SEED", "1");
    let count = number("EURYALE_RANDOM_RULES", "200");
    let cases = ask("random_rules.py", &[seed, count]);
    let mut differs = Vec::new();
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| case[name].as_str().unwrap();
        std::fs::write(folder.path().join("rules.xml"), text("rules")).unwrap();
        std::fs::write(folder.path().join("theme.html"), text("theme")).unwrap();
        let loaded = Loader::new(folder.path().join("rules.xml")).load();
        let ours = loaded.map_err(|error| error.to_string()).and_then(|theme| {
            let page = theme.apply(text("content"), &Context::new("/"));
            let page = page.map(std::borrow::Cow::into_owned);
            page.map_err(|error| error.to_string())
        });
        // Cases that Diazo refuses are only run: they must not panic.
        if let Some(theirs) = case["html"].as_str() {
            let seed = format!("seed {}", case["seed"]);
            let found = differ(&seed, ours, theirs);
            differs.extend(
                found.map(|found| format!("{found}\n{}\n{}", text("rules"), text("content"))),
            );
        }
    }
    assert_none(&differs, cases.len());
}
