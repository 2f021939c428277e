//! The file that a path leads to.

use std::io;
use std::path::Path;

/// A file's identity while it is held open: until then its inode number is not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    /// The file at `path` now.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;

        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            device_and_inode: (metadata.dev(), metadata.ino()),
        })
    }

    /// Elsewhere an open database cannot be moved or removed, so all files count as the same.
    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|_| Self {})
    }
}
