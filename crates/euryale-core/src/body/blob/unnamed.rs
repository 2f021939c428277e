//! A file without a name: written once, and then only read.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use crate::body::Blob;

/// A new unnamed file, for bytes that become a [`Blob`].
///
/// The only descriptor that can write to the file never leaves this type, and
/// [`into_blob`](Self::into_blob) closes it. So the blob is [stable](Blob::is_stable) without a
/// promise by the caller. The file is gone once its last descriptor is closed, unless
/// [`SpooledBody::persist`](crate::body::SpooledBody::persist) gave it a name.
///
/// Creating and writing block, as application code in a worker may.
///
/// ```
/// use std::io::Write;
/// use euryale_core::body::UnnamedFile;
///
/// let mut file = UnnamedFile::create(std::env::temp_dir())?;
/// file.write_all(b"Stheno, Euryale, Medusa")?;
/// let blob = file.into_blob()?;
/// assert_eq!(blob.len(), 23);
/// # #[cfg(target_os = "linux")]
/// assert!(blob.is_stable());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnnamedFile {
    file: File,
}

impl UnnamedFile {
    /// Creates an empty file in `folder`, which only this user can read.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn create(folder: impl AsRef<Path>) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file })
    }

    /// Returns the written bytes as a blob, whose file can only be read.
    ///
    /// The blob is stable on Linux with `/proc`. Elsewhere the file cannot be reopened read-only,
    /// and the blob is like one from [`Blob::new`]: its bytes are read when they are sent.
    ///
    /// # Errors
    /// `fstat` fails.
    pub fn into_blob(self) -> io::Result<Blob> {
        match read_only(&self.file) {
            Ok(file) => {
                drop(self.file);
                stable(file)
            }
            Err(_) => Blob::new(self.file),
        }
    }
}

#[expect(
    unsafe_code,
    reason = "the caller has closed the only descriptor that can write"
)]
fn stable(file: File) -> io::Result<Blob> {
    // SAFETY: the file cannot be changed in place. It has no name by which it could be opened, the
    // descriptor that wrote it is closed, and this one can only read. Only deliberate acts remain:
    // a process of the same user can open our descriptor in `/proc`, as a debugger would, or write
    // to the name that `SpooledBody::persist` gave the file, which its documentation forbids.
    unsafe { Blob::stable(file) }
}

/// Opens the same file again, read-only.
#[cfg(target_os = "linux")]
fn read_only(file: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd;

    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn read_only(_file: &File) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Write for UnnamedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for UnnamedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl fmt::Debug for UnnamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_written_file_can_only_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = UnnamedFile::create(folder.path()).unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        file.write_all(b"Medusa").unwrap();
        let blob = file.into_blob().unwrap();
        assert!(blob.is_stable());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut read = [1; 9];
        blob.file().read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"\0\0\0Medusa");
        let twin = blob.file().try_clone().unwrap();
        for file in [blob.file(), &twin] {
            assert!(file.write_at(b"Stheno", 3).is_err());
            assert!(file.set_len(1).is_err());
        }
    }
}
