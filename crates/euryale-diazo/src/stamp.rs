//! Stamps of files, which show whether a file has changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file's modification time and size, taken before it was read, so that a change during the read
/// is also noticed.
#[derive(Clone, Debug)]
pub struct Stamp {
    file: PathBuf,
    /// `None` if the file did not exist.
    seen: Option<(SystemTime, u64)>,
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: look(file),
        }
    }

    /// Returns the path of the file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns whether the file still has that time and size. This accesses the file system, so do
    /// not call it on a runtime thread.
    pub fn still_holds(&self) -> bool {
        look(&self.file) == self.seen
    }
}

fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
