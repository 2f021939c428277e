//! The processes that hold tasks. Each has a file with a lock, which the system releases when the
//! process ends (flock(2)).

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The age from which a file without a lock counts as left over. A younger one may be about to be
/// locked.
const LEFT_OVER: Duration = Duration::from_secs(60);

/// The holders of one database.
pub(super) struct Holders {
    folder: PathBuf,
    own: String,
    // Closing the file releases the lock.
    _lock: File,
}

impl Holders {
    /// Creates the file of this process, and removes those of processes that have ended long ago
    /// and of which no other process has found a task.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created?,
        }
        remove_left_over(folder)?;
        loop {
            let own = format!("{:016x}", fastrand::u64(..));
            let path = folder.join(&own);
            let file = match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            if lock(&file, &path)? {
                return Ok(Self {
                    folder: folder.to_owned(),
                    own,
                    _lock: file,
                });
            }
        }
    }

    /// Returns the name of this process in the table.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// Returns whether the process with this name has ended.
    pub(super) fn has_ended(&self, holder: &str) -> io::Result<bool> {
        if holder == self.own {
            return Ok(false);
        }
        let path = self.folder.join(holder);
        match OpenOptions::new().read(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            opened => lock(&opened?, &path),
        }
    }

    /// Removes the file of a process that has ended, and whose tasks have been rescued.
    pub(super) fn remove(&self, holder: &str) {
        // If this fails, the file is removed when another process opens the folder.
        let _ = fs::remove_file(self.folder.join(holder));
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.remove(&self.own);
    }
}

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holders")
            .field("folder", &self.folder)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// Returns the time in milliseconds on a clock that all processes of this host share and that
/// nobody can set. It is read from the kernel, so it is also right in a process whose clock is
/// faked.
pub(super) fn monotonic() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec
        .saturating_mul(1000)
        .saturating_add(now.tv_nsec / 1_000_000)
}

/// Acquires the lock on `file`. Returns `false` if another process has it, or if the path leads to
/// another file by now.
fn lock(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let locked = file.metadata()?.ino();
    Ok(fs::metadata(path).is_ok_and(|there| there.ino() == locked))
}

fn remove_left_over(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_old = |file: &File| -> io::Result<bool> {
            let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
            Ok(age >= LEFT_OVER)
        };
        // Another process may remove it at the same time.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if is_old(&file)? && lock(&file, &path)? {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
