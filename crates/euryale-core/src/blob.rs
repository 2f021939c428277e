//! An open file as a response body.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::handle::TakeOnce;
use crate::ledger::GaugeGuard;

/// An open file with an offset, a length and what validators need; never a path.
///
/// Taken in the worker, with `fstat`: it survives that the file is deleted, evicted from a cache or renamed
/// by the commit. Clones share the descriptor; it is read with `pread`, so its position does not matter.
///
/// A [`Body`](crate::Body) made of a blob streams the file by itself, in pieces of at most 64 KiB read on the
/// blocking pool. Ranges, conditional requests and `sendfile` are added by the layers that find its
/// [`BlobHandle`].
#[derive(Clone, Debug)]
#[doc(alias = "IStreamIterator")]
#[doc(alias = "filestream_iterator")]
pub struct Blob {
    file: Arc<File>,
    offset: u64,
    len: u64,
    modified: Option<SystemTime>,
    stable: bool,
    // Held for as long as any clone of the blob, and dropped after its file.
    _counted: Option<Arc<GaugeGuard>>,
    kept: Option<Kept>,
}

impl Blob {
    /// The whole of an open file, whose length and time of change are asked now.
    ///
    /// # Errors
    /// When `fstat` fails, or `file` is no regular file.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a blob must be a regular file"));
        }
        Ok(Self {
            file: Arc::new(file),
            offset: 0,
            len: metadata.len(),
            modified: metadata.modified().ok(),
            stable: false,
            _counted: None,
            kept: None,
        })
    }

    /// The whole of a file that is never truncated in place, only replaced by a rename. Only such a file may
    /// be sent through a map of its pages.
    ///
    /// # Errors
    /// As for [`new`](Blob::new).
    pub fn stable(file: File) -> io::Result<Self> {
        Ok(Self { stable: true, ..Self::new(file)? })
    }

    /// A part of this blob; what lies beyond its end is cut off.
    #[must_use]
    pub fn slice(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self { offset: self.offset + offset, len: len.min(self.len - offset), ..self.clone() }
    }

    /// The file. Others may be reading it: use `read_at`, never its position.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where the blob begins in its file, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the file was changed last, as `fstat` said.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Is the file never truncated in place?
    pub fn is_stable(&self) -> bool {
        self.stable
    }

    /// Holds `kept` until the last clone of this blob is dropped.
    pub(crate) fn kept_with(self, kept: Arc<dyn Any + Send + Sync>) -> Self {
        Self { kept: Some(Kept(kept)), ..self }
    }

    /// What it holds, if that is a `T`.
    pub(crate) fn kept<T: Any>(&self) -> Option<&T> {
        self.kept.as_ref()?.0.downcast_ref()
    }

    pub(crate) fn count(&mut self, guard: GaugeGuard) {
        self._counted = Some(Arc::new(guard));
    }
}

#[derive(Clone)]
struct Kept(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// Stands in the extensions of a response whose body is a [`Blob`], so that a layer can have it after any
/// middleware has wrapped the body.
///
/// Trust it only while the body is still the one that it describes: status 200, no `Content-Encoding`, and an
/// exact size that equals the blob's.
#[derive(Clone)]
pub struct BlobHandle {
    pub(crate) blob: TakeOnce<Blob>,
    pub(crate) len: u64,
}

impl BlobHandle {
    /// The blob, once: the body that it came with is then empty of it and fails when it is polled.
    pub fn take(&self) -> Option<Blob> {
        self.blob.take()
    }

    /// The blob's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for BlobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobHandle").field("len", &self.len).field("taken", &self.blob.is_taken()).finish()
    }
}
