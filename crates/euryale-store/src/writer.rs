//! A writer of blobs. Other processes see it as a folder with a lock that is held until the writer
//! ends.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file in a writer's folder on which the writer holds a lock.
pub(crate) const LOCK: &str = "lock";

#[derive(Debug)]
pub(crate) struct Writer {
    name: String,
    files: u64,
    // Closing the file releases the lock. The system closes it when the process ends, however it
    // ends (flock(2)).
    _lock: File,
}

impl Writer {
    pub(crate) fn begin(blobs: &Path) -> io::Result<Self> {
        loop {
            let name = format!("{:016x}", random());
            let folder = blobs.join(&name);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            if let Some(lock) = lock(&folder)? {
                File::open(blobs)?.sync_all()?;
                return Ok(Self {
                    name,
                    files: 0,
                    _lock: lock,
                });
            }
        }
    }

    pub(crate) fn new_name(&mut self) -> String {
        self.files += 1;
        format!("{}/{}", self.name, self.files)
    }

    /// Flushes the names of the existing files to disk.
    pub(crate) fn sync(&self, blobs: &Path) -> io::Result<()> {
        File::open(blobs.join(&self.name))?.sync_all()
    }
}

/// Returns whether this can be the name of a writer's folder.
pub(crate) fn is_folder(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns whether this can be the name of a blob in a writer's folder.
pub(crate) fn is_blob(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns `None` if a sweep was faster, and took the new folder for that of an ended process.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    match File::create_new(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        made => try_lock(made?, &path),
    }
}

/// Acquires the lock on `file` at `path`. Returns `None` if another process holds it, or the file
/// no longer exists.
pub(crate) fn try_lock(file: File, path: &Path) -> io::Result<Option<File>> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let locked = file.metadata()?.ino();
    Ok(fs::metadata(path)
        .is_ok_and(|there| there.ino() == locked)
        .then_some(file))
}

/// Returns a random number. It need not be secret, but must differ between processes.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
