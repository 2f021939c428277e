//! The chunks of a blob. Data in memory is read where the body is polled; the rest is read on the
//! lane.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::body::{BlobChunks, ReadBlob};
use euryale_core::threads::{BlockingLane, Stint};
use euryale_core::{Blob, Ledger};
use rustix::io::Errno;

use crate::BlobBook;
use crate::buffers::{Buffers, Lent};
use crate::read::{read_at, read_resident};

/// The size of a read for HTTP/1, in bytes. A stalled peer holds at most two such buffers, apart
/// from the few that stall while they hold a large one.
const AHEAD: usize = 24 << 10;
/// The size of a read if all earlier data has been sent and a large buffer is free. Half of the CPU
/// time goes into the system calls: a gigabyte takes 0.17 s of CPU in calls of this size, and 0.28
/// s in calls of 24 KiB.
const FLOWING: usize = 128 << 10;
/// The number of large buffers. Stalled peers can hold no more than these in addition to their
/// small buffers.
const FLOWING_AT_ONCE: usize = 16;
/// The number of bytes that are loaded from a disk into the page cache at a time. One chunk of them
/// is copied.
const PRELOADED: u64 = 1 << 20;
/// The number of bytes that are read before the task yields to others. Copying them twice takes 50
/// µs.
const STINT: usize = 256 << 10;
/// The size of a read for HTTP/2, in bytes: half a frame, without reading ahead, because all
/// streams of a connection stall together.
const LAZY: usize = 8 << 10;
/// The number of bytes that are yielded at once while earlier chunks have not been sent yet. hyper
/// queues up to 16 pieces, or 400 KiB, for a peer that does not read. One whole buffer and fifteen
/// pieces of this size fill two buffers.
const PIECE: usize = AHEAD.div_ceil(15);
/// The maximum number of unused buffers of each size.
const KEEP: usize = 64;

/// Reads blobs, with read-ahead for HTTP/1 and without it for HTTP/2.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    lane: BlockingLane,
    buffers: Arc<Buffers>,
    ahead: bool,
    probe: bool,
    book: Arc<BlobBook>,
}

impl Reader {
    /// Creates a reader for HTTP/1: after a chunk that was read from a disk, the next one is read
    /// ahead.
    pub(crate) fn ahead(lane: &BlockingLane, ledger: &Ledger) -> Self {
        Self::new(
            lane,
            ledger,
            Buffers::new(AHEAD, KEEP).with_large(FLOWING_AT_ONCE, FLOWING),
            true,
        )
    }

    /// Creates a reader for HTTP/2: nothing is read ahead.
    pub(crate) fn lazy(lane: &BlockingLane, ledger: &Ledger) -> Self {
        Self::new(
            lane,
            ledger,
            Buffers::new(LAZY, KEEP).with_large(FLOWING_AT_ONCE, FLOWING),
            false,
        )
    }

    fn new(lane: &BlockingLane, ledger: &Ledger, buffers: Buffers, ahead: bool) -> Self {
        Self {
            lane: lane.clone(),
            buffers: Arc::new(buffers),
            ahead,
            probe: true,
            book: ledger.of(),
        }
    }

    /// Reads everything on the lane, even data that is in memory.
    #[cfg(test)]
    pub(crate) fn on_the_lane(self) -> Self {
        Self {
            probe: false,
            ..self
        }
    }

    #[cfg(test)]
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Counts one more response.
    pub(crate) fn count(&self) {
        self.book.read.add(1);
    }

    /// Returns the bytes of `blob` in chunks. Does not count a response.
    pub(crate) fn chunks(&self, blob: Blob) -> Chunks {
        let reader = self.clone();
        let probing = self.probe;
        let lent = Lent::default();
        let current = Bytes::new();
        let stint = Stint::new(STINT);
        Chunks {
            reader,
            blob,
            at: 0,
            current,
            next: Next::Nothing,
            lent,
            probing,
            cold: false,
            stint,
        }
    }
}

impl ReadBlob for Reader {
    fn read(&self, blob: Blob) -> Box<dyn BlobChunks> {
        self.count();
        Box::new(self.chunks(blob))
    }
}

/// A blob that is being read. It holds at most two buffers, unless its caller keeps chunks and
/// polls for more.
pub(crate) struct Chunks {
    reader: Reader,
    blob: Blob,
    /// The number of bytes that have been read.
    at: u64,
    /// Bytes that have been read and not yielded yet.
    current: Bytes,
    next: Next,
    lent: Lent,
    /// Whether the file system can tell which data is in memory.
    probing: bool,
    /// Whether the last bytes were read on the lane.
    cold: bool,
    stint: Stint,
}

/// Nothing ⇒ Reading when a read is queued on the lane. Reading ⇒ Read when the read ends before
/// its bytes are needed. Every state ⇒ Nothing when the bytes are yielded.
enum Next {
    Nothing,
    Reading(Reading),
    Read(io::Result<Bytes>),
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

impl BlobChunks for Chunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.current.is_empty() {
            // A task that reads a large cached file to its end yields to other tasks from time to
            // time.
            ready!(self.stint.poll_go_on(cx));
            self.current = ready!(self.poll_read(cx))?;
            self.at += self.current.len() as u64;
            self.stint.did(self.current.len());
        }
        let chunk = self.current.split_to(self.portion());
        self.reader.book.read_bytes.add(chunk.len() as u64);
        // Reading ahead uses the second buffer, so a caller that keeps more than one gets no
        // read-ahead.
        if self.reader.ahead && self.cold && self.current.is_empty() && self.lent.buffers() <= 1 {
            self.read_ahead(cx);
        }
        Poll::Ready(Ok(chunk))
    }
}

impl Chunks {
    /// The number of buffers that are held.
    #[cfg(test)]
    pub(crate) fn buffers(&self) -> usize {
        self.lent.buffers()
    }

    /// Returns the number of bytes to yield now.
    fn portion(&self) -> usize {
        let kept_by_others = self.lent.buffers() > 1;
        let whole = self.current.len();
        if self.reader.ahead && kept_by_others {
            whole.min(PIECE)
        } else {
            whole
        }
    }

    /// Returns the number of bytes to read next: the rest, limited by the size of the buffer. A
    /// body with unsent chunks gets no large buffer. Neither does an HTTP/2 stream before its first
    /// chunk, because clients open many streams at once.
    fn want(&self) -> u64 {
        let left = self.blob.len() - self.at;
        let flows = self.lent.buffers() == 0 && (self.reader.ahead || self.at > 0);
        if flows {
            left
        } else {
            left.min(self.reader.buffers.size() as u64)
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut reading = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Read(read) => return Poll::Ready(read),
            Next::Reading(reading) => reading,
            Next::Nothing => {
                if let Some(bytes) = self.read_from_memory() {
                    self.cold = false;
                    return Poll::Ready(Ok(bytes));
                }
                self.cold = true;
                self.read_on_lane()
            }
        };
        let read = reading.as_mut().poll(cx);
        if read.is_pending() {
            self.stint.renew();
            self.next = Next::Reading(reading);
        }
        read
    }

    fn read_ahead(&mut self, cx: &mut Context<'_>) {
        if self.at == self.blob.len() {
            return;
        }
        // The system also reads ahead: once it is faster than the peer, no read has to wait for a
        // thread.
        if let Some(bytes) = self.read_from_memory() {
            self.cold = false;
            self.next = Next::Read(Ok(bytes));
            return;
        }
        let mut reading = self.read_on_lane();
        // The first poll queues the read.
        self.next = match reading.as_mut().poll(cx) {
            Poll::Pending => Next::Reading(reading),
            Poll::Ready(read) => Next::Read(read),
        };
    }

    fn read_from_memory(&mut self) -> Option<Bytes> {
        if !self.probing {
            return None;
        }
        let want = self.want();
        let at = self.blob.offset() + self.at;
        let mut buffer = self.reader.buffers.take(self.lent.clone(), want);
        match read_resident(self.blob.file(), buffer.space(want), at) {
            // An end of file is checked again on the lane, because some kernels report one for
            // bytes that are not in memory.
            Ok(0) | Err(Errno::AGAIN | Errno::INTR) => None,
            Ok(read) => Some(buffer.filled(read)),
            Err(_) => {
                self.probing = false;
                None
            }
        }
    }

    fn read_on_lane(&self) -> Reading {
        let want = self.want();
        let at = self.blob.offset() + self.at;
        let lane = self.reader.lane.clone();
        let buffers = Arc::clone(&self.reader.buffers);
        let lent = self.lent.clone();
        let blob = self.blob.clone();
        // The following chunks will be in memory, so that one read on the lane serves many chunks.
        let next = self.probing.then(|| self.blob.slice(self.at, PRELOADED));
        let read = move || {
            let read = read_at(&blob, buffers.take(lent, want), want, at)?;
            // If the error persists, the next read reports it.
            let _ = next.map(|next| next.slice(read.len() as u64, PRELOADED).preload());
            Ok(read)
        };
        Box::pin(async move { lane.run(read).await.map_err(io::Error::other)? })
    }
}
