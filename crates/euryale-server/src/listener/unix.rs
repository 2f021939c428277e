//! Unix sockets, and their files.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::{Kind, Listener};

/// A Unix socket to listen on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("site.sock");
/// // Whoever is in the group may connect: the proxy's user, say.
/// let listener = euryale_server::UnixSocket::new(&path).mode(0o660).bind()?;
/// assert!(path.exists());
/// drop(listener);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UnixSocket {
    path: PathBuf,
    mode: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl UnixSocket {
    /// Creates a socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: 0o660,
            user: None,
            group: None,
        }
    }

    /// Sets which processes may connect: those that may write to the file. Default: `0o660`.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the file's owner by the ids of a user and a group. Default: those of the process.
    #[must_use]
    pub fn owner(mut self, user: Option<u32>, group: Option<u32>) -> Self {
        self.user = user;
        self.group = group;
        self
    }

    /// Starts to listen. The file is removed when the listener is dropped, unless it belongs to
    /// another process by then.
    ///
    /// A socket on which no process listens any more is replaced in one step: the file is never
    /// missing, and never has another mode or owner.
    ///
    /// # Errors
    ///
    /// `AddrInUse`: another process listens at the path. `AlreadyExists`: the path exists and is
    /// not a socket. Otherwise the errors of `bind(2)`, `chown(2)` and `rename(2)`.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime, or in one without an I/O driver.
    pub fn bind(&self) -> io::Result<Listener> {
        let (unix, file) = self.bind_std()?;
        unix.set_nonblocking(true)?;
        let unix = UnixListener::from_std(unix)?;
        Ok(Listener {
            file: Some(file),
            ..Listener::new(Kind::Unix(unix))
        })
    }

    /// Starts to listen as [`bind`](Self::bind) does, with a socket that blocks and needs no
    /// runtime. The file is removed when the second value is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind).
    pub fn bind_std(&self) -> io::Result<(StdUnixListener, SocketFile)> {
        refuse_the_living(&self.path)?;
        // The new socket is created beside the path, so that it can be moved there.
        let mut new = self.path.clone().into_os_string();
        new.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(new);
        // A file may be left from a process with the same id.
        let _ = fs::remove_file(&new);
        let unix = StdUnixListener::bind(&new)?;
        let placed = self.place(&new);
        if placed.is_err() {
            let _ = fs::remove_file(&new);
        }
        Ok((unix, placed?))
    }

    fn place(&self, new: &Path) -> io::Result<SocketFile> {
        if self.user.is_some() || self.group.is_some() {
            chown(new, self.user, self.group)?;
        }
        fs::set_permissions(new, fs::Permissions::from_mode(self.mode))?;
        let made = fs::symlink_metadata(new)?;
        fs::rename(new, &self.path)?;
        Ok(SocketFile {
            path: self.path.clone(),
            id: (made.dev(), made.ino()),
        })
    }
}

fn refuse_the_living(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is something else than a socket",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            ErrorKind::AddrInUse,
            "somebody listens there",
        )),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The file of a Unix socket. It is removed when this value is dropped, unless it belongs to
/// another process by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if is_ours {
            // If this fails, the next listener replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}
