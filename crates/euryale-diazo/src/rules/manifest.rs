//! Reads `manifest.cfg`, plone.app.theming's description of a theme in a folder.

use std::path::PathBuf;

/// The parts of a manifest that affect pages.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// The theme's name in `++theme++NAME`.
    pub(crate) name: String,
    pub(crate) rules: Option<PathBuf>,
    pub(crate) prefix: Option<String>,
    pub(crate) doctype: Option<String>,
    /// The addresses of style sheets, as written.
    pub(crate) styles: Vec<String>,
}

/// A key of a file in the format of Python's configparser.
pub(super) struct Entry {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: u32,
}

pub(super) fn is_doctype(text: &str) -> bool {
    let inside = text
        .strip_suffix('>')
        .and_then(|text| text.strip_prefix("<!"));
    inside.is_some_and(|inside| {
        let name = inside.get(..7).unwrap_or_default();
        name.eq_ignore_ascii_case("doctype") && !inside.contains(['<', '>'])
    })
}

/// Returns the entries of a file: sections, keys in lower case, and values that may continue in
/// indented lines.
pub(super) fn entries(text: &str) -> Vec<Entry> {
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
