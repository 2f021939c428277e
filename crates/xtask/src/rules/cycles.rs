//! Files that import each other: a reader of one has to read all, so only a few may do it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::Finding;
use super::paths::{Contents, Named, Place};
use crate::source::Source;
use crate::workspace::Workspace;

/// The most files that may form a cycle. A file and its two parts often do.
const MOST: usize = 3;

/// The path of a module below the crate's root.
type Module = Vec<String>;
/// The imports of each module, with the line of the first one.
type Imports<'a> = BTreeMap<&'a Module, BTreeMap<&'a Module, usize>>;

struct File {
    path: String,
    contents: Contents,
}

struct Crate(BTreeMap<Module, File>);

/// The cycles of all packages.
pub(crate) fn find(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let folder = format!("{}/src/", package.folder);
        let mut files = Vec::new();
        for path in workspace.files.iter() {
            if path.starts_with(folder.trim_start_matches('/')) && path.ends_with(".rs") {
                let text = std::fs::read_to_string(workspace.root.join(path));
                files.push((
                    path.clone(),
                    text.with_context(|| format!("reading {path}"))?,
                ));
            }
        }
        findings.extend(check(folder.trim_start_matches('/'), &files));
    }
    Ok(findings)
}

/// Checks the files of a crate, whose paths begin with `folder`. Tests are left out.
pub(crate) fn check(folder: &str, files: &[(String, String)]) -> Vec<Finding> {
    let has_library = files
        .iter()
        .any(|(path, _)| path.strip_prefix(folder) == Some("lib.rs"));
    let modules = files.iter().filter_map(|(path, text)| {
        let module = module(path.strip_prefix(folder)?, has_library)?;
        let file = File {
            path: path.clone(),
            contents: Contents::read(&Source::new(text)),
        };
        Some((module, file))
    });
    let all = Crate(modules.collect());
    let imports = all.imports();
    cycles(&imports)
        .into_iter()
        .filter(|cycle| cycle.len() > MOST)
        .map(|cycle| all.finding(&cycle, &imports))
        .collect()
}

/// The module of a file, or `None` for tests and for programs beside a library.
fn module(path: &str, has_library: bool) -> Option<Module> {
    let mut names: Module = path
        .strip_suffix(".rs")?
        .split('/')
        .map(String::from)
        .collect();
    if names.iter().any(|name| name == "tests") || names[0] == "bin" {
        return None;
    }
    match names.last().map(String::as_str) {
        Some("main") if names.len() == 1 && has_library => return None,
        Some("lib" | "main") if names.len() == 1 => names.clear(),
        _ => {}
    }
    Some(names)
}

impl Crate {
    fn imports(&self) -> Imports<'_> {
        let mut imports = Imports::new();
        for (module, file) in &self.0 {
            let used: &mut BTreeMap<&Module, usize> = imports.entry(module).or_default();
            for named in &file.contents.paths {
                // A name that is handed on is an import of the module that takes it from here.
                if matches!(named.place, Place::Import { public: true, .. }) {
                    continue;
                }
                let defined = self
                    .absolute(module, named)
                    .and_then(|path| self.resolve(&path, 0));
                if let Some(defined) = defined.filter(|defined| *defined != module) {
                    used.entry(defined).or_insert(named.line);
                }
            }
        }
        imports
    }

    /// The path below the root of the crate, or `None` if it leads to another crate.
    fn absolute(&self, module: &[String], named: &Named) -> Option<Module> {
        let mut base = [module, &named.within].concat();
        let mut rest = &named.path[..];
        if rest[0] == "crate" {
            return Some(rest[1..].to_vec());
        }
        let is_relative = matches!(rest[0].as_str(), "self" | "super");
        while let Some(first) = rest.first() {
            match first.as_str() {
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = &rest[1..];
        }
        let child = [&base[..], &rest[..1.min(rest.len())]].concat();
        (is_relative || self.0.contains_key(&child)).then(|| [&base[..], rest].concat())
    }

    /// The module that defines what is at `path`, through all modules that only hand it on.
    fn resolve(&self, path: &[String], hops: usize) -> Option<&Module> {
        // Two modules may hand on each other's names with `*`.
        if hops > 8 {
            return None;
        }
        let (length, module, file) = (0..=path.len()).rev().find_map(|length| {
            let (module, file) = self.0.get_key_value(&path[..length])?;
            Some((length, module, file))
        })?;
        let Some(name) = path.get(length).filter(|name| *name != "*") else {
            return Some(module);
        };
        for named in &file.contents.paths {
            let Place::Import { name: own, public } = &named.place else {
                continue;
            };
            let Some(mut target) = self.absolute(module, named) else {
                continue;
            };
            if own == name && target != path {
                return self.resolve(&target, hops + 1);
            }
            if own == "*" && *public {
                target.pop();
                target.push(name.clone());
                let found = self.resolve(&target, hops + 1);
                if let Some(found) = found
                    && self.0[found].contents.items.contains(name)
                {
                    return Some(found);
                }
            }
        }
        Some(module)
    }

    fn finding(&self, cycle: &BTreeSet<&Module>, imports: &Imports<'_>) -> Finding {
        let mut first = None;
        let lines = cycle.iter().map(|module| {
            let used = imports[*module].iter();
            let used = used.filter(|(other, _)| cycle.contains(*other));
            let names: Vec<String> = used
                .map(|(other, line)| {
                    first.get_or_insert((&self.0[*module].path, *line));
                    name(other)
                })
                .collect();
            format!("{} imports {}", name(module), names.join(", "))
        });
        let lines: Vec<String> = lines.collect();
        let what = format!(
            "{} files import each other: {}",
            cycle.len(),
            lines.join("; ")
        );
        let (path, line) = first.map_or(("", 1), |(path, line)| (path.as_str(), line));
        let remedy = format!(
            "move what they share into a file that imports none of them; at most {MOST} may form \
             a cycle"
        );
        Finding::new(path, line, what, remedy)
    }
}

fn name(module: &Module) -> String {
    if module.is_empty() {
        return "the root".to_owned();
    }
    format!("`{}`", module.join("::"))
}

/// The sets of modules that reach each other.
fn cycles<'a>(imports: &Imports<'a>) -> BTreeSet<BTreeSet<&'a Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|module| (*module, reachable(module, imports)))
        .collect();
    let cycle = |module: &&'a Module| -> BTreeSet<&'a Module> {
        let others = reached[*module].iter().copied();
        others
            .filter(|other| reached[other].contains(*module))
            .collect()
    };
    imports.keys().map(cycle).collect()
}

fn reachable<'a>(module: &Module, imports: &Imports<'a>) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&'a Module> = imports[module].keys().copied().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(imports[module].keys());
        }
    }
    reached
}
