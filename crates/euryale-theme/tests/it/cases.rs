//! Cases from Diazo's documentation, and what Diazo makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use euryale_theme::{Context, Loader};

use crate::normal::normal;

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
            } else if let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
                case.settings.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let common = path.parent().unwrap().join("common");
        for entry in std::fs::read_dir(common).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            case.files.entry(name).or_insert_with(|| std::fs::read_to_string(entry.path()).unwrap());
        }
        case
    }

    fn settings(&self, key: &str) -> impl Iterator<Item = &str> {
        self.settings.iter().filter(move |known| known.0 == key).map(|known| known.1.as_str())
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
        let theme = loader.load().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut context = Context::new(self.settings("path").next().unwrap_or("/"));
        for (name, value) in self.settings("parameter").map(|setting| setting.split_once('=').unwrap()) {
            context = context.parameter(name, value);
        }
        let asked: Vec<String> = theme.documents(&context).map(str::to_owned).collect();
        for href in asked {
            if let Some(html) = self.files.get(&href) {
                context = context.document(href, html);
            }
        }
        theme.apply(&self.files["content.html"], &context).unwrap().into_owned()
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = match std::env::var_os("CASES") {
        Some(f) => PathBuf::from(f),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"),
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "case")).collect();
    cases.sort();
    cases
}

fn assert_same(case: &Case, expected: &str) -> Result<(), String> {
    let themed = case.themed();
    let (ours, theirs) = (normal(&themed), normal(expected));
    if ours == theirs {
        return Ok(());
    }
    let first = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b).unwrap_or(0);
    let at = |text: &str| text.lines().skip(first.saturating_sub(2)).take(8).collect::<Vec<_>>().join("\n");
    Err(format!("{}: ours\n{}\n-- Diazo's\n{}\n-- as written: {themed}", case.name, at(&ours), at(&theirs)))
}

#[test]
fn each_case_is_what_diazo_made_of_it() {
    let mut failed = Vec::new();
    for path in cases() {
        let case = Case::read(&path);
        let r = std::panic::catch_unwind(|| assert_same(&case, &case.files["expected.html"]));
        match r {
            Ok(r) => failed.extend(r.err()),
            Err(_) => failed.push(format!("{} PANIC", case.name)),
        }
    }
    assert!(failed.is_empty(), "{} FAIL\n{}", failed.len(), failed.join("\n\n"));
}
