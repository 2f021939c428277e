//! What tells that a file has changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file as it was before it was read: what changes while it is read has another stamp. None: it
/// is not there.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) file: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: look(file),
        }
    }

    pub(crate) fn still_holds(&self) -> bool {
        look(&self.file) == self.seen
    }
}

fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
