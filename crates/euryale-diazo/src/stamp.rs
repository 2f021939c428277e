//! Data that shows whether a file has changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file's modification time and size, taken before it was read, so that a change while it is read
/// is noticed too.
#[derive(Clone, Debug)]
pub struct Stamp {
    file: PathBuf,
    /// None: there was no such file.
    seen: Option<(SystemTime, u64)>,
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: look(file),
        }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns whether the file still has that time and size. Asks the file system: not on a
    /// runtime's thread.
    pub fn still_holds(&self) -> bool {
        look(&self.file) == self.seen
    }
}

fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
