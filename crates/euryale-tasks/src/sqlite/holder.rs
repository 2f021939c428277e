//! The processes that hold tasks. Each has a file with a lock, which the system releases when the
//! process ends (flock(2)).

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The age from which a file without a lock counts as left over. A younger one may be about to be
/// locked.
const LEFT_OVER: Duration = Duration::from_secs(60);

/// The holders of one database.
pub(super) struct Holders {
    folder: PathBuf,
    own: String,
    has_warned: AtomicBool,
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
                    has_warned: AtomicBool::new(false),
                    _lock: file,
                });
            }
        }
    }

    /// Returns the name of this process in the table.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// Returns whether the process with this name has ended. A process whose file cannot be
    /// examined counts as alive. Its tasks are rescued once their holds expire.
    pub(super) fn has_ended(&self, holder: &str) -> bool {
        if holder == self.own {
            return false;
        }
        let path = self.folder.join(holder);
        let examined = match OpenOptions::new().read(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
            opened => opened.and_then(|file| lock(&file, &path)),
        };
        examined.unwrap_or_else(|error| {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                let path = path.display();
                tracing::warn!(%path, %error, "the lock of a holder of tasks cannot be examined");
            }
            false
        })
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn process_has_ended_once_its_lock_is_released_or_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tasks");
        let own = Holders::open(&folder).unwrap();
        let other = Holders::open(&folder).unwrap();
        assert!(!own.has_ended(own.own()));
        assert!(!own.has_ended(other.own()));
        // As after a kill: the file stays, and the system releases the lock.
        let killed = folder.join("killed");
        let lock = File::create_new(&killed).unwrap();
        lock.lock().unwrap();
        assert!(!own.has_ended("killed"));
        drop(lock);
        assert!(own.has_ended("killed"));
        own.remove("killed");
        assert!(!killed.exists() && own.has_ended("killed"));
        let name = other.own().to_owned();
        drop(other);
        assert!(own.has_ended(&name) && !folder.join(&name).exists());
    }

    #[test]
    fn file_that_cannot_be_examined_counts_as_that_of_a_living_process() {
        let folder = tempfile::tempdir().unwrap();
        let own = Holders::open(folder.path()).unwrap();
        // A link to itself cannot be opened, whoever the user is.
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        assert!(!own.has_ended("loop"));
    }

    #[test]
    fn files_that_are_left_over_are_removed_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str, age: Duration| {
            let file = File::create_new(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
            file
        };
        let held = create("held", 2 * LEFT_OVER);
        held.lock().unwrap();
        create("old", 2 * LEFT_OVER);
        create("young", Duration::ZERO);
        let _own = Holders::open(folder.path()).unwrap();
        let is_there = |name: &str| folder.path().join(name).exists();
        assert!(is_there("held") && is_there("young") && !is_there("old"));
    }
}
