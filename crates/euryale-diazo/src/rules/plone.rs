//! Themes in a folder of Plone's layout, whose manifest names the file with the rules.

use std::path::{Path, PathBuf};

use super::folders::normal;
use super::manifest::{Entry, Manifest, entries, is_doctype};
use super::reader::{Reader, Settings};
use crate::error::LoadError;
use crate::stamp::Stamp;

const FILE: &str = "manifest.cfg";

/// Parameters that plone.app.theming computes for each page, and two that the default theme
/// declares. There is no warning if a program does not set them.
const COMPUTED: [&str; 7] = [
    "ajax_load",
    "base",
    "host",
    "path",
    "portal_url",
    "scheme",
    "url",
];

impl Reader {
    /// Returns the rules file: the one that the program names, unless a manifest names another.
    pub(super) fn rules_beside_manifest(
        &mut self,
        path: &Path,
        settings: &Settings,
    ) -> Result<PathBuf, LoadError> {
        let folder = path.parent().filter(|_| settings.has_manifest);
        if let Some(folder) = folder {
            self.rules.manifest = self.manifest(folder, &settings.parameters)?;
        }
        let named = self.rules.manifest.as_ref();
        let named = named.and_then(|manifest| manifest.rules.clone());
        Ok(named.unwrap_or_else(|| path.to_owned()))
    }

    /// Reads the manifest of a folder, if there is one. `given` are parameters with a value.
    pub(super) fn manifest(
        &mut self,
        folder: &Path,
        given: &[String],
    ) -> Result<Option<Manifest>, LoadError> {
        let file = folder.join(FILE);
        if !file.is_file() {
            // The missing file is recorded, because the theme changes once it exists.
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
        // The name may be that of the folder, and addresses depend on it.
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

    /// Sets the doctype that the program gives, in place of the manifest's and the theme's.
    pub(super) fn set_doctype(
        &mut self,
        rules: &Path,
        doctype: Option<&str>,
    ) -> Result<(), LoadError> {
        let Some(doctype) = doctype else {
            return Ok(());
        };
        if !is_doctype(doctype) {
            let what = format!("a doctype is written <!DOCTYPE html>, and not {doctype}");
            return Err(LoadError::new(rules, None, what));
        }
        self.rules.version.add(doctype);
        let manifest = self.rules.manifest.get_or_insert_default();
        manifest.doctype = Some(doctype.to_owned());
        Ok(())
    }

    /// Returns the file that `rules = …` names.
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
