//! The body of a blob that is sent through a window.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::Blob;
use euryale_core::body::{BlobChunks, ReadBlob};

use super::cold::Warmth;
use super::windows::Windows;

/// The size of the chunks that hyper gets, and of the reads from a disk. hyper writes a chunk
/// before it polls for more. The size is that of nginx's `sendfile_max_chunk`.
const CHUNK: usize = 2 << 20;

/// Yields a blob as a window of one socket.
pub(super) struct ThroughWindow {
    windows: Windows,
    bytes: Bytes,
}

impl ThroughWindow {
    /// Opens a window for `blob`. Fails if the file cannot be mapped.
    pub(super) fn open(windows: &Windows, blob: Blob) -> io::Result<Self> {
        Ok(Self {
            windows: windows.clone(),
            bytes: windows.open(blob)?,
        })
    }
}

impl ReadBlob for ThroughWindow {
    fn read(&self, blob: Blob) -> Box<dyn BlobChunks> {
        self.windows.counts().book.blobs.add(1);
        let warmth = Warmth::new(&self.windows.counts().ledger);
        Box::new(Chunks {
            blob,
            bytes: self.bytes.clone(),
            warmth,
        })
    }
}

struct Chunks {
    blob: Blob,
    /// The remaining bytes.
    bytes: Bytes,
    warmth: Warmth,
}

impl BlobChunks for Chunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let len = self.bytes.len().min(CHUNK);
        let sent = self.blob.len() - self.bytes.len() as u64;
        ready!(
            self.warmth
                .poll_warm(cx, || self.blob.slice(sent, len as u64))
        )?;
        Poll::Ready(Ok(self.bytes.split_to(len)))
    }
}
