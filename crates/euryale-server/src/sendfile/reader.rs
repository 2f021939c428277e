//! The body of a blob that leaves through a window.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Blob, BlobChunks, ReadBlob};

use super::cold::Warmth;
use super::windows::Windows;

/// How much hyper is given at a time, and is brought from a disk. hyper writes that before it asks for more. As much as
/// nginx's `sendfile_max_chunk`.
const CHUNK: usize = 2 << 20;

/// Reads blobs as windows on one socket.
pub(super) struct ThroughWindows {
    windows: Arc<Windows>,
}

impl ThroughWindows {
    pub(super) fn new(windows: &Arc<Windows>) -> Self {
        Self { windows: Arc::clone(windows) }
    }
}

impl ReadBlob for ThroughWindows {
    fn read(&self, blob: Blob) -> Box<dyn BlobChunks> {
        let warmth = Warmth::new(blob.clone(), &self.windows.ledger);
        let bytes = self.windows.open(blob);
        if bytes.is_ok() {
            self.windows.ledger.blobs.sent.sendfile.add(1);
        }
        Box::new(Chunks { bytes, sent: 0, warmth })
    }
}

struct Chunks {
    /// All that is left; an error when the file could not be mapped.
    bytes: io::Result<Bytes>,
    sent: u64,
    warmth: Warmth,
}

impl BlobChunks for Chunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let bytes = match &mut self.bytes {
            Ok(bytes) => bytes,
            Err(error) => return Poll::Ready(Err(std::mem::replace(error, io::ErrorKind::Other.into()))),
        };
        let len = bytes.len().min(CHUNK);
        ready!(self.warmth.poll_warm(cx, self.sent, len))?;
        self.sent += len as u64;
        Poll::Ready(Ok(bytes.split_to(len)))
    }
}
