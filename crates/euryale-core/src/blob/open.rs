//! An open file, and how it is closed.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;

use crate::blocking::close_elsewhere;

/// Freeing the blocks of a file of this length, in bytes, takes longer than a hop to another thread.
const LARGE: u64 = 1 << 20;

/// A file that whoever drops it last closes, off the runtime's threads if that deletes it: one without a name, spooled
/// or replaced meanwhile, frees all its blocks when it is closed.
pub(crate) struct OpenFile {
    /// Taken by the drop.
    file: Option<File>,
}

impl OpenFile {
    pub(crate) fn new(file: File) -> Self {
        Self { file: Some(file) }
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        self.file.as_ref().expect("only the drop takes it")
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take()
            && is_large_and_nameless(&file).unwrap_or(false)
        {
            close_elsewhere(file);
        }
    }
}

fn is_large_and_nameless(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.nlink() == 0 && metadata.len() >= LARGE)
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
