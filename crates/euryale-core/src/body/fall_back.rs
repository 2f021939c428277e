//! Reads a blob for which there is no layer: `pread` of at most 64 KiB in `spawn_blocking`, one at
//! a time for each body.

use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::body::{Blob, BlobChunks};

/// The number of bytes that are read at a time.
const CHUNK: u64 = 64 << 10;

/// A blob without a layer that is being read.
pub(crate) struct FallBack {
    blob: Blob,
    sent: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FallBack {
    pub(crate) fn new(blob: Blob) -> Self {
        Self {
            blob,
            sent: 0,
            reading: None,
        }
    }
}

impl BlobChunks for FallBack {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.start()?,
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let chunk = read.map_err(io::Error::other)??;
        self.sent += chunk.len() as u64;
        Poll::Ready(Ok(chunk))
    }
}

impl FallBack {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the fall-back of bodies that met no layer"
    )]
    fn start(&self) -> io::Result<JoinHandle<io::Result<Bytes>>> {
        let runtime = Handle::try_current().map_err(|_| {
            io::Error::other("a blob's body is read on tokio's blocking pool: poll it in a runtime")
        })?;
        let blob = self.blob.clone();
        let at = self.blob.offset() + self.sent;
        let want = usize::try_from((self.blob.len() - self.sent).min(CHUNK)).unwrap_or(0);
        Ok(runtime.spawn_blocking(move || {
            let mut buffer = vec![0; want];
            let read = loop {
                match blob.file().read_at(&mut buffer, at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file is shorter than it was",
                ));
            }
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        }))
    }
}
