//! Gives a complete body a name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::body::SpooledBody;

impl SpooledBody {
    /// Gives the body the name `path`, which must not exist yet.
    ///
    /// A body in a file is linked into place if the system can do that (on Linux, when `path` is on
    /// the file system of the spool's folder): no byte is copied, and the body stays valid. Any
    /// other body is copied. A file that had a name and has lost it is also copied, because Linux
    /// cannot link such a file again (linkat(2), `ENOENT`), so remove names only with
    /// [`take_back`](Self::take_back). On Btrfs and XFS a copy shares its blocks with the original.
    /// When this returns, the file and its entry in the folder are on the disk.
    ///
    /// Blocks, which application code in a worker may do. `path` must be in a folder that no
    /// attacker can write to. The file must never be changed in place, because the body and its
    /// blobs may be sent from it: replace it by a rename.
    ///
    /// # Errors
    /// The error of the file system. `AlreadyExists` if `path` exists; that file is not changed.
    /// After an error nothing of this body is at `path`.
    ///
    /// ```
    /// use euryale_core::body::SpooledBody;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("sisters.txt");
    /// SpooledBody::from("Stheno, Euryale, Medusa").persist(&path)?;
    /// assert_eq!(std::fs::read_to_string(path)?, "Stheno, Euryale, Medusa");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn persist(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        self.place(path)?;
        sync_folder_of(path).inspect_err(|_| drop(fs::remove_file(path)))?;
        if let Some(file) = self.open_file() {
            file.forget_spare_name();
        }
        Ok(())
    }

    /// Removes the name `path` that [`persist`](Self::persist) gave the file, after an abort that
    /// may be followed by another attempt.
    ///
    /// The name of a linked body is kept as a spare until the body is persisted again, or its last
    /// clone is dropped, so that it can be linked again. Code that has the list of valid names may
    /// remove it sooner. For any other body, and if there is a spare name already, the name is
    /// removed now. Blocks.
    ///
    /// # Errors
    /// The name cannot be removed.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use euryale_core::body::SpooledBody;
    /// # let folder = tempfile::tempdir()?;
    /// # let mut file = tempfile::tempfile_in(folder.path())?;
    /// # file.write_all(b"Stheno, Euryale, Medusa")?;
    /// # let body = SpooledBody::file(file)?;
    /// # let path = folder.path().join("sisters.txt");
    /// for _ in 0..3 {
    ///     body.persist(&path)?;
    ///     // The transaction met a conflict, and runs again.
    ///     body.take_back(&path)?;
    /// }
    /// drop(body);
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_back(&self, path: impl Into<PathBuf>) -> io::Result<()> {
        let path = path.into();
        match self.open_file() {
            Some(file) if file.is_at(&path) => file.spare_name(path),
            _ => fs::remove_file(path),
        }
    }

    fn reclaims(&self, path: &Path) -> bool {
        self.open_file()
            .is_some_and(|file| file.is_at(path) && file.reclaim_spare_name(path))
    }

    fn place(&self, path: &Path) -> io::Result<()> {
        if let Some(file) = self.as_whole_file() {
            file.sync_all()?;
            match link(file, path) {
                // `path` is the spare name of this very body.
                Err(_) if self.reclaims(path) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
                linked => return linked,
            }
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.copy_to(&mut file)
            .and_then(|()| file.sync_all())
            .inspect_err(|_| drop(fs::remove_file(path)))
    }
}

impl SpooledBody {
    fn copy_to(&self, file: &mut File) -> io::Result<()> {
        if let Some(own) = self.as_whole_file()
            && copy_within_the_system(own, file, self.len())?
        {
            return Ok(());
        }
        io::copy(&mut self.clone(), file).map(drop)
    }
}

/// Copies within the kernel, and by reference if the file system supports that. Returns false if it
/// copied nothing.
#[cfg(target_os = "linux")]
fn copy_within_the_system(from: &File, to: &File, len: u64) -> io::Result<bool> {
    let mut at = 0;
    while at < len {
        let want = usize::try_from(len - at).unwrap_or(usize::MAX);
        // The call uses its own offset, because others may use the position of the file.
        match rustix::fs::copy_file_range(from, Some(&mut at), to, None, want) {
            // The system call does not work between some file systems, and in some kernels and
            // sandboxes.
            Err(_) | Ok(0) if at == 0 => return Ok(false),
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn copy_within_the_system(_from: &File, _to: &File, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// An unnamed file has an entry in `/proc/self/fd` whose target can be linked.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};

    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, opened, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A new name is durable once its folder is synced.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
