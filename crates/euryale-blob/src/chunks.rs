//! The chunks of a blob: from memory where the body is polled, or else from the lane.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Blob, BlobChunks, BlockingLane, Ledger, ReadBlob, Stint};
use rustix::io::Errno;

use crate::BlobBook;
use crate::buffers::{Buffers, Lent};
use crate::read::{read_at, read_resident};

/// How much is read at a time for HTTP/1, in bytes. Two such buffers are the most that a stalled
/// peer holds, but for the few that stall with one of the large ones.
const AHEAD: usize = 24 << 10;
/// How much is read at a time if everything before has been sent and such a buffer is free: half
/// the work for a byte is in the calls that move it. A gigabyte takes 0.17 s of CPU in calls of
/// this size, and 0.28 s in calls of 24 KiB.
const FLOWING: usize = 128 << 10;
/// How many of these there are. Together they are all that many stalled peers can hold beside their
/// small ones.
const FLOWING_AT_ONCE: usize = 16;
/// How much is brought into memory at a time from a disk. One chunk of it is read for its own sake.
const PRELOADED: u64 = 1 << 20;
/// How much is read before others have their turn: it is copied twice, in 50 µs.
const STINT: usize = 256 << 10;
/// How much is read at a time for HTTP/2, where all streams of a connection stall together: half a
/// frame, nothing ahead.
const LAZY: usize = 8 << 10;
/// How much is yielded at once if earlier chunks have not been sent yet. hyper queues up to 16
/// pieces, or 400 KiB, for a peer that does not read; a whole buffer and fifteen of these are two
/// buffers.
const PIECE: usize = AHEAD.div_ceil(15);
/// How many buffers of each size are kept that nobody uses.
const KEEP: usize = 64;

/// Reads blobs in one of two manners.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    lane: BlockingLane,
    buffers: Arc<Buffers>,
    ahead: bool,
    probe: bool,
    book: Arc<BlobBook>,
}

impl Reader {
    /// For HTTP/1: a chunk that had to come from a disk is followed by reading the next one before
    /// it is asked for.
    pub(crate) fn ahead(lane: &BlockingLane, ledger: &Ledger) -> Self {
        Self::new(
            lane,
            ledger,
            Buffers::new(AHEAD, KEEP).with_large(FLOWING_AT_ONCE, FLOWING),
            true,
        )
    }

    /// For HTTP/2: nothing is read before it is asked for.
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

    /// All on the lane, also what is in memory.
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

    /// One more response is read.
    pub(crate) fn count(&self) {
        self.book.read.add(1);
    }

    /// The bytes of `blob`, which is not counted as a response.
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

/// One blob that is read. It has at most two buffers out, unless who polls it keeps what it was
/// given and asks for more.
pub(crate) struct Chunks {
    reader: Reader,
    blob: Blob,
    /// How much of it has been read.
    at: u64,
    /// Read, and not given.
    current: Bytes,
    next: Next,
    lent: Lent,
    /// Does the file system say what is in memory?
    probing: bool,
    /// Did the last bytes come from the lane?
    cold: bool,
    stint: Stint,
}

/// Nothing ⇒ Reading when the lane is asked. Reading ⇒ Read when that ends before anybody wants it.
/// All ⇒ Nothing when it is given.
enum Next {
    Nothing,
    Reading(Reading),
    Read(io::Result<Bytes>),
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

impl BlobChunks for Chunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.current.is_empty() {
            // A task that reads a large cached file to its end yields to others in between.
            ready!(self.stint.poll_go_on(cx));
            self.current = ready!(self.poll_read(cx))?;
            self.at += self.current.len() as u64;
            self.stint.did(self.current.len());
        }
        let chunk = self.current.split_to(self.portion());
        self.reader.book.read_bytes.add(chunk.len() as u64);
        // What is read ahead is the second buffer: whoever keeps more than one gets nothing ahead.
        if self.reader.ahead && self.cold && self.current.is_empty() && self.lent.buffers() <= 1 {
            self.read_ahead(cx);
        }
        Poll::Ready(Ok(chunk))
    }
}

impl Chunks {
    /// How many buffers are out.
    #[cfg(test)]
    pub(crate) fn buffers(&self) -> usize {
        self.lent.buffers()
    }

    /// How much of what was read is given now.
    fn portion(&self) -> usize {
        let kept_by_others = self.lent.buffers() > 1;
        let whole = self.current.len();
        if self.reader.ahead && kept_by_others {
            whole.min(PIECE)
        } else {
            whole
        }
    }

    /// How much is read next: all that is left, of which a buffer takes its part. A body with
    /// outstanding chunks gets no large buffer, and neither does an HTTP/2 stream of which nothing
    /// has been sent yet, because many of these are requested at once.
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
        // The system reads ahead as well: when it is faster, nothing need wait for a thread any
        // more.
        if let Some(bytes) = self.read_from_memory() {
            self.cold = false;
            self.next = Next::Read(Ok(bytes));
            return;
        }
        let mut reading = self.read_on_lane();
        // It begins when it is polled.
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
            // An end is looked for with patience: some kernels say it of what is not in memory.
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
        // The following chunks are then in memory: one visit to the lane for many chunks.
        let next = self.probing.then(|| self.blob.slice(self.at, PRELOADED));
        let read = move || {
            let read = read_at(&blob, buffers.take(lent, want), want, at)?;
            // The reader gets the same error, if it still occurs.
            let _ = next.map(|next| next.slice(read.len() as u64, PRELOADED).preload());
            Ok(read)
        };
        Box::pin(async move { lane.run(read).await.map_err(io::Error::other)? })
    }
}
