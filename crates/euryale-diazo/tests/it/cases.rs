//! Cases from Diazo's documentation, with Diazo's results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use euryale_diazo::{Context, Loader};

use crate::normal::normal;
use crate::python::python;

struct Case {
    name: String,
    settings: Vec<(String, String)>,
    files: BTreeMap<String, String>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let mut case = Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            settings: Vec::new(),
            files: BTreeMap::new(),
        };
        let mut name = None;
        for line in std::fs::read_to_string(path).unwrap().split_inclusive('\n') {
            if let Some(file) = line.strip_prefix("=== ") {
                name = Some(file.trim().to_owned());
                case.files.insert(file.trim().to_owned(), String::new());
            } else if let Some(name) = &name {
                case.files.get_mut(name).unwrap().push_str(line);
            } else if let Some((key, value)) =
                line.split_once(':').filter(|_| !line.starts_with('#'))
            {
                case.settings
                    .push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let common = path.parent().unwrap().join("common");
        for entry in std::fs::read_dir(common).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            case.files
                .entry(name)
                .or_insert_with(|| std::fs::read_to_string(entry.path()).unwrap());
        }
        case
    }

    fn settings(&self, key: &str) -> impl Iterator<Item = &str> {
        self.settings
            .iter()
            .filter(move |known| known.0 == key)
            .map(|known| known.1.as_str())
    }

    fn themed(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut loader = Loader::new(folder.path().join("rules.xml"));
        if let Some(prefix) = self.settings("prefix").next() {
            loader = loader.prefix(prefix);
        }
        let theme = loader
            .load()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut context = Context::new(self.settings("path").next().unwrap_or("/"));
        for (name, value) in self
            .settings("parameter")
            .map(|setting| setting.split_once('=').unwrap())
        {
            context = context.parameter(name, value);
        }
        let asked: Vec<String> = theme.documents(&context).map(str::to_owned).collect();
        for href in asked {
            if let Some(html) = self.files.get(&href) {
                context = context.document(href, html);
            }
        }
        theme
            .apply(&self.files["content.html"], &context)
            .unwrap()
            .into_owned()
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "case"))
        .collect();
    cases.sort();
    cases.iter().map(|path| Case::read(path)).collect()
}

/// The first lines that differ.
fn difference(case: &Case, ours: &str, theirs: &str) -> Option<String> {
    let mine = normal(ours);
    let yours = normal(theirs);
    let first = mine.lines().zip(yours.lines()).position(|(a, b)| a != b);
    let at = |text: &str| {
        let from = first.unwrap_or_default().saturating_sub(2);
        text.lines()
            .skip(from)
            .take(8)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let shown = || {
        format!(
            "{}: ours\n{}\nDiazo's\n{}\nas written\n{ours}",
            case.name,
            at(&mine),
            at(&yours)
        )
    };
    (mine != yours).then(shown)
}

#[test]
fn each_case_is_what_diazo_made_of_it() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let differ = cases
        .iter()
        .filter_map(|case| difference(case, &case.themed(), &case.files["expected.html"]));
    let differ: Vec<String> = differ.collect();
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

#[test]
#[ignore = "asks Diazo itself, which PyPI has and Debian has not; .ci/run installs it where it can"]
fn each_case_is_what_diazo_makes_of_it() {
    let python =
        python().expect("a Python with diazo: `cargo run -p euryale-bench -- setup` installs one");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let cases = cases();
    let paths = cases
        .iter()
        .map(|case| tests.join("cases").join(format!("{}.case", case.name)));
    let output = Command::new(python)
        .arg(tests.join("expect.py"))
        .args(paths)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let results: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
    let differ = cases
        .iter()
        .filter_map(|case| difference(case, &case.themed(), &results[&case.name]));
    let differ: Vec<String> = differ.collect();
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}
