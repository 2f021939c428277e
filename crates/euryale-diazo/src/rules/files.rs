//! Reads the files of a theme.

use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::folders::normal;
use super::reader::Reader;
use crate::error::LoadError;
use crate::stamp::Stamp;

/// The maximum size of a file in bytes.
const MAX_FILE: u64 = 8 << 20;
/// The maximum number of files in a theme.
const MAX_FILES: usize = 256;
/// The maximum number of reads for one theme, because files that include others several times
/// multiply.
const MAX_READS: usize = 1024;

impl Reader {
    /// Reads a text file that belongs to the theme. `asked` is the element that names it.
    pub(super) fn text(
        &mut self,
        path: &Path,
        asked: Option<&LoadError>,
    ) -> Result<String, LoadError> {
        let fail = |what: String| match asked {
            Some(place) => LoadError::new(place.file(), place.line(), what),
            None => LoadError::new(path, None, what),
        };
        self.reads += 1;
        if self.reads > MAX_READS {
            return Err(fail(format!(
                "the theme reads files more than {MAX_READS} times: include each file once"
            )));
        }
        let too_large = || {
            fail(format!(
                "{} is larger than {} MiB",
                path.display(),
                MAX_FILE >> 20
            ))
        };
        if let Some(text) = self.texts.get(path) {
            if text.len() as u64 > MAX_FILE {
                return Err(too_large());
            }
            self.rules.version.add(text);
            return Ok(without_mark(text.clone()));
        }
        if self.rules.files.len() == MAX_FILES {
            return Err(fail(format!("the theme has more than {MAX_FILES} files")));
        }
        if !self.rules.files.iter().any(|known| known.file() == path) {
            self.rules.files.push(Stamp::of(path));
        }
        let shown = path.display();
        if let Some(folder) = self.folders.refuses(path) {
            let what = format!(
                "{shown} is outside of {}: a theme is read from its folder, and from those that \
                 the program gives to the loader",
                folder.display()
            );
            return Err(fail(what));
        }
        let length = std::fs::metadata(path)
            .map_err(|error| fail(format!("cannot read {shown}: {error}")))?
            .len();
        if length > MAX_FILE {
            return Err(too_large());
        }
        let bytes =
            std::fs::read(path).map_err(|error| fail(format!("cannot read {shown}: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            LoadError::new(
                path,
                u32::try_from(line).ok(),
                "not UTF-8: save the file as UTF-8",
            )
        })?;
        self.rules.version.add(&text);
        Ok(without_mark(text))
    }

    /// Returns whether there is a file at this path.
    pub(super) fn exists(&self, path: &Path) -> bool {
        self.texts.contains_key(path) || path.is_file()
    }

    /// Returns the path of a file that is named relative to the current one.
    pub(super) fn beside(&self, node: Node<'_, '_>, href: &str) -> Result<PathBuf, LoadError> {
        if href.contains("://") || href.starts_with("//") {
            return Err(self.error(
                node,
                format!("{href} is elsewhere: a theme is read from files only"),
            ));
        }
        if let Some((_, mounted)) = href.split_once("++theme++") {
            let (name, rest) = mounted.split_once('/').unwrap_or((mounted, ""));
            return match self.folders.mounted(name) {
                Some(folder) => Ok(normal(&folder.join(rest))),
                None => Err(self.error(
                    node,
                    format!(
                        "{href}: no theme {name} is mounted; the program gives it to the loader"
                    ),
                )),
            };
        }
        let folder = self.file.parent().unwrap_or(Path::new(""));
        Ok(normal(&folder.join(href)))
    }
}

/// Removes a byte order mark.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
