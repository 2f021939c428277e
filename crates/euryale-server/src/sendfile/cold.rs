//! `sendfile` waits for the disk, and must not do that on a runtime thread.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use euryale_core::{Blob, BlockingLane, Ledger};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::BLOCKING_THREADS;

/// So many chunks are brought in from disks at a time, by all sockets of the process. More requests make no disk
/// faster.
static LANE: LazyLock<BlockingLane> = LazyLock::new(|| BlockingLane::new("cold files", BLOCKING_THREADS));

/// Brings the pages of a blob into the page cache before they are sent.
pub(super) struct Warmth {
    blob: Blob,
    ledger: Ledger,
    coming: Option<Coming>,
}

type Coming = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Warmth {
    pub(super) fn new(blob: Blob, ledger: &Ledger) -> Self {
        Self { blob, ledger: ledger.clone(), coming: None }
    }

    /// Ready when the `len` bytes from `at` on are in the page cache, as far as one can tell.
    pub(super) fn poll_warm(&mut self, cx: &mut Context<'_>, at: u64, len: usize) -> Poll<io::Result<()>> {
        if self.coming.is_none() {
            let piece = self.blob.slice(at, len as u64);
            // The kernel reads and forgets files in runs of pages: both ends say enough of what is between.
            let (first, last) = (piece.offset(), piece.offset() + piece.len().saturating_sub(1));
            if piece.is_empty() || (is_warm(piece.file(), first) && is_warm(piece.file(), last)) {
                return Poll::Ready(Ok(()));
            }
            self.coming = Some(bring(LANE.clone().ledger(self.ledger.clone()), piece));
        }
        let Some(coming) = &mut self.coming else { return Poll::Ready(Ok(())) };
        let came = ready!(coming.as_mut().poll(cx));
        self.coming = None;
        Poll::Ready(came)
    }
}

/// Is the byte at `at` in the page cache? No, where the file system cannot tell (tmpfs).
fn is_warm(file: &File, at: u64) -> bool {
    let mut byte = [0];
    loop {
        match preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            // Behind the end of a file there is nothing to wait for.
            read => return read.is_ok(),
        }
    }
}

fn bring(lane: BlockingLane, blob: Blob) -> Coming {
    Box::pin(async move { lane.run(move || blob.preload()).await.map_err(io::Error::other)? })
}
