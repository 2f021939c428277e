//! `manifest.cfg`: plone.app.theming's description of a theme in a folder.

use std::path::{Path, PathBuf};

use super::files::normal;
use super::reader::Reader;
use crate::error::LoadError;
use crate::stamp::Stamp;

const FILE: &str = "manifest.cfg";

/// Parameters that plone.app.theming computes for each page, and two that the default theme
/// declares. Programs need not be reminded to set them.
const COMPUTED: [&str; 7] = [
    "ajax_load",
    "base",
    "host",
    "path",
    "portal_url",
    "scheme",
    "url",
];

/// The parts of a manifest that affect pages.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// The theme's name in `++theme++NAME`.
    pub(crate) name: String,
    pub(crate) rules: Option<PathBuf>,
    pub(crate) prefix: Option<String>,
    pub(crate) doctype: Option<String>,
    /// Addresses of style sheets, as they are written.
    pub(crate) styles: Vec<String>,
}

/// A key of a file as Python's configparser reads it.
struct Entry {
    section: String,
    key: String,
    value: String,
    line: u32,
}

impl Reader {
    /// Reads the manifest of a folder, if there is one. `given` are parameters with a value.
    pub(super) fn manifest(
        &mut self,
        folder: &Path,
        given: &[String],
    ) -> Result<Option<Manifest>, LoadError> {
        let file = folder.join(FILE);
        if !file.is_file() {
            // Recorded, because the theme changes once the file exists.
            self.rules.files.push(Stamp::of(&file));
            return Ok(None);
        }
        let text = self.text(&file, None)?;
        let entries = entries(&text);
        let of = |section: &str| {
            let section = section.to_owned();
            entries.iter().filter(move |entry| entry.section == section)
        };
        let fail = |entry: &Entry, what: String| LoadError::new(&file, Some(entry.line), what);
        for entry in of("theme:parameters") {
            if !COMPUTED.contains(&&*entry.key) && !given.contains(&entry.key) {
                let what = format!(
                    "Plone computes the parameter {}: give it a value, of the site with \
                     --theme-parameter {}=VALUE",
                    entry.key, entry.key
                );
                return Err(fail(entry, what));
            }
        }
        let find = |key: &str| {
            let mut all = of("theme").filter(|entry| !entry.value.is_empty());
            all.find(|entry| entry.key == key)
        };
        let name = ["prefix", "rules"].into_iter().find_map(|key| {
            let (_, rest) = find(key)?.value.split_once("++theme++")?;
            Some(rest.split('/').next().unwrap_or(rest).to_owned())
        });
        let name = name.or_else(|| Some(folder.file_name()?.to_string_lossy().into_owned()));
        let name = name.unwrap_or_default();
        // It may be the folder's, and addresses depend on it.
        self.rules.version.add(&name);
        let mut manifest = Manifest {
            name,
            prefix: find("prefix").map(|entry| entry.value.clone()),
            ..Manifest::default()
        };
        if let Some(entry) = find("doctype") {
            if !is_doctype(&entry.value) {
                return Err(fail(entry, "doctype is written <!DOCTYPE html>".to_owned()));
            }
            manifest.doctype = Some(entry.value.clone());
        }
        if let Some(entry) = find("production-css") {
            let styles = entry.value.split([',', '\n']).map(str::trim);
            let styles = styles.filter(|style| !style.is_empty()).map(str::to_owned);
            manifest.styles = styles.collect();
        }
        let mounted = (manifest.name.clone(), folder.to_owned());
        self.folders.mounted.push(mounted);
        if let Some(entry) = find("rules") {
            let rules = self.rules_of(folder, &entry.value);
            manifest.rules = Some(rules.map_err(|what| fail(entry, what))?);
        }
        Ok(Some(manifest))
    }

    /// The file that `rules = …` names.
    fn rules_of(&self, folder: &Path, written: &str) -> Result<PathBuf, String> {
        if let Some((_, mounted)) = written.split_once("++theme++") {
            let (name, rest) = mounted.split_once('/').unwrap_or((mounted, ""));
            return match self.folders.mounted(name) {
                Some(folder) => Ok(normal(&folder.join(rest))),
                None => Err(format!(
                    "{written}: no theme {name} is mounted; the program gives it to the loader"
                )),
            };
        }
        if written.contains("://") || written.starts_with('/') {
            return Err(format!(
                "{written} is an address in Plone: name a file of the folder, such as rules.xml"
            ));
        }
        Ok(normal(&folder.join(written)))
    }
}

fn is_doctype(text: &str) -> bool {
    let inside = text
        .strip_suffix('>')
        .and_then(|text| text.strip_prefix("<!"));
    inside.is_some_and(|inside| {
        let name = inside.get(..7).unwrap_or_default();
        name.eq_ignore_ascii_case("doctype") && !inside.contains(['<', '>'])
    })
}

/// Sections, keys in small letters, and values that go on in indented lines.
fn entries(text: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut section = String::new();
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let goes_on = line.starts_with([' ', '\t']);
        if let Some(last) = all
            .last_mut()
            .filter(|last| goes_on && last.section == section)
        {
            last.value.push('\n');
            last.value.push_str(trimmed);
            continue;
        }
        let name = trimmed
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        if let Some(name) = name {
            name.clone_into(&mut section);
            continue;
        }
        let (key, value) = trimmed.split_once(['=', ':']).unwrap_or((trimmed, ""));
        all.push(Entry {
            section: section.clone(),
            key: key.trim().to_ascii_lowercase(),
            value: value.trim().to_owned(),
            line: number,
        });
    }
    all
}
