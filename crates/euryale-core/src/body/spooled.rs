//! A request body that is complete.

#[cfg(feature = "fs")]
mod persist;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::body::Blob;
#[cfg(feature = "fs")]
use crate::body::blob::OpenFile;

/// A complete request body, in memory or in a file. It can be read synchronously, and is cheap to
/// clone.
///
/// A clone starts at the beginning, however much of the original was read, so a request that is
/// published again has its whole body. Reading a file blocks, which application code in a worker
/// may do.
///
/// It is not an `http_body::Body`, because a value that is read by both `Read` and polls would have
/// two positions, and `Read` would block the thread that polls. Code that reads asynchronously
/// inside `Spool`, such as an axum router or middleware, turns it into a
/// [`Body`](crate::body::Body), without a copy: `.map_request(|request: Request|
/// request.map(Body::from))`.
///
/// ```
/// use std::io::Read;
/// use euryale_core::body::SpooledBody;
///
/// let body = SpooledBody::from("name=Stheno");
/// let mut text = String::new();
/// body.clone().read_to_string(&mut text)?;
/// assert_eq!(text, "name=Stheno");
/// assert_eq!(body.as_bytes(), Some(&b"name=Stheno"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SpooledBody {
    pub(super) content: Content,
    position: u64,
    // Dropped last, so that a file is closed before it is uncounted.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

#[derive(Clone)]
pub(super) enum Content {
    Memory(Bytes),
    File(Blob),
}

impl SpooledBody {
    /// Creates an empty body.
    pub fn empty() -> Self {
        Bytes::new().into()
    }

    /// Creates a body that consists of the whole `file`. The file must no longer be written to,
    /// because a store may keep it unchanged.
    ///
    /// # Errors
    /// `fstat` fails, or `file` is not a regular file.
    pub fn file(file: File) -> io::Result<Self> {
        Ok(Self {
            content: Content::File(Blob::new(file)?),
            position: 0,
            held: None,
        })
    }

    /// Keeps `guard` until the last clone of this body is dropped. For bytes in memory this
    /// includes every [`Bytes`] taken from it, and the [`Body`](crate::body::Body) that it became.
    ///
    /// ```
    /// use euryale_core::body::SpooledBody;
    /// use euryale_core::ledger::{Gauge, GaugeGuard};
    ///
    /// let held = Gauge::default();
    /// let guard = GaugeGuard::new(&held, 6);
    /// let body = SpooledBody::from("Stheno").held_with(guard);
    /// let bytes = body.to_bytes()?;
    /// drop(body);
    /// assert_eq!(held.get(), 6);
    /// drop(bytes);
    /// assert_eq!(held.get(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn held_with(self, guard: impl Send + Sync + 'static) -> Self {
        match self.content {
            Content::Memory(bytes) => Self {
                content: Content::Memory(Bytes::from_owner(Guarded {
                    bytes,
                    _guard: guard,
                })),
                ..self
            },
            Content::File(_) => Self {
                held: Some(Arc::new((guard, self.held))),
                ..self
            },
        }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(blob) => blob.len(),
        }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes if they are in memory.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Memory(bytes) => Some(bytes),
            Content::File(..) => None,
        }
    }

    /// Returns the file if the body is in one. The file has no name, unless the body was persisted.
    pub fn as_file(&self) -> Option<&File> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File(blob) => Some(blob.file()),
        }
    }

    /// Returns the body as a blob with the same descriptor, if it is in a file.
    pub fn as_blob(&self) -> Option<&Blob> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File(blob) => Some(blob),
        }
    }

    /// Opens the file again for reading. The new file description has its own position, at the
    /// beginning of the body. Returns `None` if the body is in memory.
    ///
    /// Use it for code that reads through a descriptor and moves its position, such as an
    /// interpreter's file object. A [`try_clone`](File::try_clone) of [`as_file`](Self::as_file)
    /// would share its position with every other reader. No [`Reserve`](crate::body::Reserve)
    /// counts the new descriptor. If the body is a slice of a blob, the file continues after the
    /// end of the body. Blocks.
    ///
    /// # Errors
    /// The system's error, for example if the process has no descriptor left. `Unsupported` on
    /// systems other than Linux, because only Linux can open an unnamed file again
    /// (proc_pid_fd(5)).
    ///
    /// ```
    /// # if cfg!(not(target_os = "linux")) { return Ok(()); }
    /// use std::io::{Read, Seek, Write};
    /// use euryale_core::body::SpooledBody;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"Stheno, Euryale, Medusa")?;
    /// let body = SpooledBody::file(file)?;
    /// let mut first = body.reopen()?.expect("it is in a file");
    /// let mut second = body.reopen()?.expect("it is in a file");
    /// first.read_exact(&mut [0; 8])?;
    /// assert_eq!((first.stream_position()?, second.stream_position()?), (8, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reopen(&self) -> io::Result<Option<File>> {
        let Content::File(blob) = &self.content else {
            return Ok(None);
        };
        if cfg!(not(target_os = "linux")) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut file = File::open(format!("/proc/self/fd/{}", blob.file().as_raw_fd()))?;
        if blob.offset() > 0 {
            file.seek(SeekFrom::Start(blob.offset()))?;
        }
        Ok(Some(file))
    }

    #[cfg(feature = "fs")]
    fn open_file(&self) -> Option<&OpenFile> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File(blob) => Some(blob.open_file()),
        }
    }

    /// Returns the file if it contains only this body.
    #[cfg(feature = "fs")]
    fn as_whole_file(&self) -> Option<&File> {
        self.as_file().filter(|file| {
            file.metadata()
                .is_ok_and(|metadata| metadata.len() == self.len())
        })
    }

    /// Returns the body from which `Body::from` made `blob`.
    pub(crate) fn of_blob(blob: &Blob) -> Option<Self> {
        blob.kept::<Self>().cloned()
    }

    /// Returns the whole body in memory, without a copy if it is already there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::File(..) => {
                let mut all = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
                self.clone().read_to_end(&mut all)?;
                Ok(all.into())
            }
        }
    }
}

/// Bytes that own a guard.
struct Guarded<G> {
    bytes: Bytes,
    _guard: G,
}

impl<G> AsRef<[u8]> for Guarded<G> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Clone for SpooledBody {
    /// Returns the same bytes, to be read from the beginning.
    fn clone(&self) -> Self {
        Self {
            content: self.content.clone(),
            position: 0,
            held: self.held.clone(),
        }
    }
}

impl Default for SpooledBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl Read for SpooledBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(self.position);
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = match &self.content {
            Content::Memory(bytes) => {
                // The offset is within the length, so it fits into a usize.
                let at = bytes.len() - usize::try_from(left).unwrap_or(0);
                buffer[..want].copy_from_slice(&bytes[at..at + want]);
                want
            }
            Content::File(blob) => blob
                .file()
                .read_at(&mut buffer[..want], blob.offset() + self.position)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for SpooledBody {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "seek to before the beginning of a body",
            )
        })?;
        Ok(self.position)
    }
}

impl From<Bytes> for SpooledBody {
    fn from(bytes: Bytes) -> Self {
        Self {
            content: Content::Memory(bytes),
            position: 0,
            held: None,
        }
    }
}

impl From<Blob> for SpooledBody {
    /// Makes a body of the bytes of `blob`.
    fn from(blob: Blob) -> Self {
        Self {
            content: Content::File(blob),
            position: 0,
            held: None,
        }
    }
}

impl From<&'static str> for SpooledBody {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<u8>> for SpooledBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for SpooledBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledBody")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
