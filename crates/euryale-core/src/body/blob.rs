//! An open file as a response body.

mod open;
#[cfg(feature = "fs")]
mod unnamed;

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;

pub(crate) use self::open::OpenFile;
#[cfg(feature = "fs")]
pub use self::unnamed::UnnamedFile;
use crate::body::{Descriptor, TakeOnce};
use crate::ledger::GaugeGuard;

/// An open file with an offset, a length and the data for validators; never a path.
///
/// Made in the worker, with `fstat`. It stays valid if the file is deleted, evicted from a cache or
/// renamed by the commit. Clones share the descriptor; the file is read with `pread`, so the
/// descriptor's position does not matter.
///
/// A [`Body`](crate::body::Body) made of a blob streams the file by itself, in pieces of at most 64
/// KiB read on the blocking pool. Ranges, conditional requests and `sendfile` are added by the
/// layers that find its [`BlobHandle`]. With the feature `fs`, a `tokio::fs::File` can also become
/// a blob (`TryFrom`).
#[derive(Clone, Debug)]
#[doc(alias = "IStreamIterator")]
#[doc(alias = "filestream_iterator")]
pub struct Blob {
    file: Arc<OpenFile>,
    offset: u64,
    len: u64,
    modified: Option<SystemTime>,
    stable: bool,
    coding: Option<&'static str>,
    media_type: Option<HeaderValue>,
    // A value that is kept until the last clone of the blob is dropped, and dropped after its file.
    counted: Option<Arc<GaugeGuard>>,
    kept: Option<Kept>,
}

/// The number of bytes that are read at a time when a file is only loaded into the page cache.
const PRELOADED: usize = 64 << 10;

impl Blob {
    /// Creates a blob of a whole open file, with its current length and modification time.
    ///
    /// # Errors
    /// `fstat` fails, or `file` is not a regular file.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a blob must be a regular file",
            ));
        }
        Ok(Self {
            file: Arc::new(OpenFile::new(file, &metadata)),
            offset: 0,
            len: metadata.len(),
            modified: metadata.modified().ok(),
            stable: false,
            coding: None,
            media_type: None,
            counted: None,
            kept: None,
        })
    }

    /// Creates a blob of a whole file that may be sent through a memory map of its pages, as
    /// `sendfile` requires.
    ///
    /// `FolderStore` of `euryale-store` and [`UnnamedFile`] make such blobs without a promise from
    /// you: from files in the program's own folder, and from unnamed files.
    ///
    /// # Safety
    /// A server maps the file into memory, and the chunks of the blob's body are [`Bytes`] in that
    /// map. Bytes that change while Rust reads them are undefined behaviour, and reading a page
    /// beyond the end of a truncated file kills the process (SIGBUS). So one of these conditions
    /// must hold as long as there is a clone, a part or a body of the blob:
    ///
    /// * **The file is never changed in place.** Neither this process nor another writes to it or
    ///   truncates it. It may be renamed, deleted, or replaced by a rename.
    /// * **The bytes are never read.** They are only passed on by address, to a socket that hands
    ///   the file to `sendfile(2)`. This holds if the whole stack is Euryale on hyper: no layer
    ///   reads the chunks of a mapped file, and small files, and all files over HTTP/2 and TLS, are
    ///   read into memory and not mapped. Middleware that looks at bodies breaks this promise.
    ///
    /// # Errors
    /// As for [`new`](Blob::new).
    #[expect(
        unsafe_code,
        reason = "only the caller knows who changes or reads the file"
    )]
    pub unsafe fn stable(file: File) -> io::Result<Self> {
        let blob = Self::new(file)?;
        // SAFETY: the caller makes the same promise.
        Ok(unsafe { blob.assume_stable() })
    }

    /// Declares the blob stable, without any check. Use it for a blob that was made in another way,
    /// such as from a `tokio::fs::File`.
    ///
    /// # Safety
    /// As for [`stable`](Self::stable): the file is never changed in place, or the bytes are never
    /// read.
    #[expect(
        unsafe_code,
        reason = "only the caller knows who changes or reads the file"
    )]
    #[must_use]
    pub unsafe fn assume_stable(self) -> Self {
        Self {
            stable: true,
            ..self
        }
    }

    /// Declares that the bytes have this content coding (RFC 9110 §8.4.1), such as `gzip`, because
    /// the file was compressed in advance. The code that turns the blob into a body sets
    /// `Content-Encoding`.
    #[must_use]
    pub fn coded(self, coding: &'static str) -> Self {
        Self {
            coding: Some(coding),
            ..self
        }
    }

    /// Returns the same blob with this media type, such as `text/html; charset=utf-8` (RFC 9110
    /// §8.3.1). A response with this blob as its body has it as `Content-Type`, unless the response
    /// already has one.
    ///
    /// `media_type` in `euryale-blob` returns the type that a file's name suggests.
    ///
    /// ```
    /// use euryale_core::{Blob, Response};
    /// use http::HeaderValue;
    ///
    /// let blob = Blob::new(std::fs::File::open("Cargo.toml")?)?;
    /// let response = Response::from(blob.typed(HeaderValue::from_static("application/toml")));
    /// assert_eq!(response.headers()["content-type"], "application/toml");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn typed(self, media_type: HeaderValue) -> Self {
        Self {
            media_type: Some(media_type),
            ..self
        }
    }

    /// Lets `descriptor` count the file until it is closed. Clones, parts and bodies of the blob
    /// share the file, and so the descriptor. A file that is counted already stays counted.
    #[must_use]
    pub fn counted(self, descriptor: Descriptor) -> Self {
        self.file.count(descriptor);
        self
    }

    /// Returns a part of this blob, limited to its end.
    #[must_use]
    pub fn slice(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self {
            offset: self.offset + offset,
            len: len.min(self.len - offset),
            ..self.clone()
        }
    }

    /// Reads all of the blob, as far as the file goes, into the system's page cache, because it is
    /// about to be sent. Blocks until the disk has delivered it. The bytes are read, and not only
    /// requested with `fadvise`, because Linux would then load pages of the smallest size, which
    /// make sending more expensive.
    ///
    /// # Errors
    /// The system's error.
    pub fn preload(&self) -> io::Result<()> {
        let mut unseen = vec![
            0;
            usize::try_from(self.len)
                .unwrap_or(PRELOADED)
                .min(PRELOADED)
        ];
        let mut at = self.offset;
        let end = self.offset + self.len;
        while at < end {
            let want = usize::try_from(end - at)
                .unwrap_or(PRELOADED)
                .min(PRELOADED);
            match self.file.read_at(&mut unseen[..want], at) {
                Ok(0) => break,
                Ok(read) => at += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the file. Other readers may share it, so use `read_at` and never its position.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The numbers of its file's device and inode, according to `fstat`. No other file has both as
    /// long as the blob exists.
    pub fn inode(&self) -> (u64, u64) {
        self.file.inode
    }

    /// The offset in the file at which the blob begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the time at which the file was last changed, according to `fstat`.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Returns whether its bytes may be handed out directly from a map of the file, because of one
    /// of the two promises of [`stable`](Self::stable).
    pub fn is_stable(&self) -> bool {
        self.stable
    }

    /// Returns the content coding of the bytes, if they have one.
    pub fn coding(&self) -> Option<&'static str> {
        self.coding
    }

    /// Returns the media type that [`typed`](Self::typed) has set.
    pub fn media_type(&self) -> Option<&HeaderValue> {
        self.media_type.as_ref()
    }

    #[cfg(feature = "fs")]
    pub(crate) fn open_file(&self) -> &OpenFile {
        &self.file
    }

    /// Keeps `kept` until the last clone of this blob is dropped.
    pub(crate) fn kept_with(self, kept: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            kept: Some(Kept(kept)),
            ..self
        }
    }

    /// Returns the kept value if it is a `T`.
    pub(crate) fn kept<T: Any>(&self) -> Option<&T> {
        self.kept.as_ref()?.0.downcast_ref()
    }

    fn count(&mut self, guard: impl FnOnce() -> GaugeGuard) {
        self.counted.get_or_insert_with(|| Arc::new(guard()));
    }
}

#[cfg(feature = "fs")]
impl TryFrom<tokio::fs::File> for Blob {
    type Error = io::Error;

    /// Makes a blob with the same descriptor. The file might change, so it is not sent by
    /// `sendfile`: see [`assume_stable`](Blob::assume_stable). Fails like [`new`](Blob::new), and
    /// with `ResourceBusy` while an operation on the file is running: flush it first.
    fn try_from(file: tokio::fs::File) -> io::Result<Self> {
        let file = file
            .try_into_std()
            .map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))?;
        Self::new(file)
    }
}

#[derive(Clone)]
struct Kept(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// The way in which the bytes of a blob are read when its body is sent.
///
/// A blob's body can read its file by itself. A layer with a better way sets it in the
/// [`BlobHandle`].
pub trait ReadBlob: Send + Sync + 'static {
    /// Begins to read `blob`, which is not empty. Called in the body's first poll.
    fn read(&self, blob: Blob) -> Box<dyn BlobChunks>;
}

/// A blob that is being read, from its beginning to its end.
pub trait BlobChunks: Send + 'static {
    /// Returns the next chunk, of at least one byte. Not called again after the last one, nor after
    /// an error.
    ///
    /// # Errors
    /// The file cannot be read, or ends too early. The peer must not mistake a part for the whole.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>>;
}

/// The handle of a [`Blob`] in the extensions of a response, so that a layer can take the blob
/// after middleware has wrapped the body.
///
/// Trust it only while the body is still the one that it describes: the response has no
/// `Content-Encoding` other than the blob's own [coding](Blob::coding), and its exact size is that
/// of the blob. To answer with a part of the blob, the status must also be 200.
#[derive(Clone)]
pub struct BlobHandle {
    content: TakeOnce<Content>,
    len: u64,
}

/// Marks a response whose body is several parts of a [`Blob`], as `multipart/byteranges`. It is in
/// the response's extensions.
///
/// Such a body holds an open file like a blob, but has no [`BlobHandle`], because it cannot be sent
/// in another way. A budget of open files counts it. Its parts belong to the file and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobParts;

/// The state that a body and its handles share until it is polled.
pub(crate) struct Content {
    pub(crate) blob: Blob,
    pub(crate) reader: Option<Arc<dyn ReadBlob>>,
}

impl BlobHandle {
    pub(crate) fn new(blob: Blob) -> Self {
        let len = blob.len();
        Self {
            content: TakeOnce::new(Content { blob, reader: None }),
            len,
        }
    }

    /// Takes the blob, which is possible once. Its body then fails when it is polled.
    pub fn take(&self) -> Option<Blob> {
        self.take_content().map(|content| content.blob)
    }

    /// Returns the blob, unless it was taken. The body keeps it.
    pub fn blob(&self) -> Option<Blob> {
        let mut found = None;
        self.content
            .update(|content| found = Some(content.blob.clone()));
        found
    }

    /// Makes `reader` read the body, instead of the previous reader. Has no effect if the blob was
    /// taken or the body was polled.
    pub fn read_by(&self, reader: Arc<dyn ReadBlob>) {
        // The previous value is dropped outside the lock.
        let mut reader = Some(reader);
        self.content
            .update(|content| std::mem::swap(&mut content.reader, &mut reader));
    }

    /// Returns the blob's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn take_content(&self) -> Option<Content> {
        self.content.take()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.content.is_same(&other.content)
    }

    pub(crate) fn media_type(&self) -> Option<HeaderValue> {
        let mut media_type = None;
        self.content
            .update(|content| media_type.clone_from(&content.blob.media_type));
        media_type
    }

    /// Counts the blob, unless it is already counted.
    pub(crate) fn count(&self, guard: impl FnOnce() -> GaugeGuard) {
        self.content.update(|content| content.blob.count(guard));
    }
}

impl fmt::Debug for BlobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobHandle")
            .field("len", &self.len)
            .field("taken", &self.content.is_taken())
            .finish()
    }
}
