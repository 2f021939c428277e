//! Keeps `sendfile` from waiting for a disk on a runtime thread.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use euryale_core::threads::BlockingLane;
use euryale_core::{Blob, Ledger};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// The maximum number of chunks that all sockets of the process read from disks at a time, so that
/// no runtime thread waits for a disk. More requests do not make a disk faster.
static LANE: LazyLock<BlockingLane> =
    LazyLock::new(|| BlockingLane::new("cold files", COLD_READERS));

const COLD_READERS: usize = 16;

/// Declares in `ledger` the blocking threads that read files from disks: 16 for all sockets of the
/// process, so that no runtime thread waits for a disk. On systems without `sendfile(2)` there are
/// none. [`SendfileCounts::new`](crate::SendfileCounts::new) does the same; call this function if
/// your runtime is built before the sockets.
pub fn declare_threads(ledger: &Ledger) {
    // The lane's work is counted from the first read on.
    LANE.declare(ledger);
}

/// The distance between the bytes that are checked. The kernel reads ahead half as far, or farther
/// (`read_ahead_kb`), so a run that is cached at both ends is mostly cached. In a longer run the
/// middle may be missing: some clients read the first and the last bytes before the rest.
const RUN: usize = 256 << 10;

/// The time for which a piece that was found in memory is taken to be there for other sockets too:
/// a file that many peers request is not checked for each of them. It is short beside the time in
/// which the kernel evicts pages, and beside the one for which a socket relies on its own check.
const LATELY: Duration = Duration::from_millis(100);

/// The pieces that were found in memory last, by all sockets of the process. A piece replaces the
/// one that has the same slot.
static SEEN: Mutex<[Option<Seen>; SLOTS]> = Mutex::new([None; SLOTS]);

/// As many as a byte has values.
const SLOTS: usize = 256;

#[derive(Clone, Copy)]
struct Seen {
    piece: ((u64, u64), u64, u64),
    at: Instant,
}

/// Brings pages into the page cache before they are sent.
pub(super) struct Warmth {
    ledger: Ledger,
    // The lock is never contended: several threads may hold the socket, but only one uses this.
    coming: Mutex<Option<Coming>>,
}

type Coming = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Warmth {
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            ledger: ledger.clone(),
            coming: Mutex::default(),
        }
    }

    /// Returns whether a read from a disk is running.
    pub(super) fn is_coming(&mut self) -> bool {
        self.coming().is_some()
    }

    fn coming(&mut self) -> &mut Option<Coming> {
        self.coming
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when `piece` is in the page cache, as far as is known, or when the read that is
    /// already running ends.
    pub(super) fn poll_warm(
        &mut self,
        cx: &mut Context<'_>,
        piece: impl FnOnce() -> Blob,
    ) -> Poll<io::Result<()>> {
        if !self.is_coming() {
            let piece = piece();
            if was_warm_lately(&piece, Instant::now()) {
                return Poll::Ready(Ok(()));
            }
            *self.coming() = Some(bring(LANE.clone().ledger(self.ledger.clone()), piece));
        }
        let Some(coming) = self.coming() else {
            return Poll::Ready(Ok(()));
        };
        let came = ready!(coming.as_mut().poll(cx));
        *self.coming() = None;
        Poll::Ready(came)
    }
}

impl fmt::Debug for Warmth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Warmth")
    }
}

fn slots() -> MutexGuard<'static, [Option<Seen>; SLOTS]> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether `piece` is in memory, or was a moment ago.
fn was_warm_lately(piece: &Blob, now: Instant) -> bool {
    let this = (piece.inode(), piece.offset(), piece.len());
    let [slot, ..] = (piece.inode().1 ^ (piece.offset() / RUN as u64)).to_le_bytes();
    let slot = usize::from(slot);
    let seen = slots()[slot];
    if seen.is_some_and(|seen| seen.piece == this && now.duration_since(seen.at) < LATELY) {
        return true;
    }
    let is_warm = is_warm(piece);
    if is_warm {
        let seen = Seen {
            piece: this,
            at: now,
        };
        slots()[slot] = Some(seen);
    }
    is_warm
}

fn is_warm(piece: &Blob) -> bool {
    let last = piece.len().checked_sub(1);
    let runs = (0..piece.len()).step_by(RUN);
    runs.chain(last)
        .all(|at| is_byte_warm(piece.file(), piece.offset() + at))
}

/// Returns whether the byte at `at` is in the page cache; `false` if the file system cannot tell
/// (tmpfs).
fn is_byte_warm(file: &File, at: u64) -> bool {
    let mut byte = [0];
    loop {
        match preadv2(
            file,
            &mut [IoSliceMut::new(&mut byte)],
            at,
            ReadWriteFlags::NOWAIT,
        ) {
            Err(Errno::INTR) => {}
            // Beyond the end of a file there are no bytes to wait for.
            read => return read.is_ok(),
        }
    }
}

fn bring(lane: BlockingLane, blob: Blob) -> Coming {
    Box::pin(async move {
        lane.run(move || blob.preload())
            .await
            .map_err(io::Error::other)?
    })
}

/// Returns a file of this many bytes `f`, which is on the disk.
#[cfg(test)]
pub(super) fn of_fs(len: usize) -> Blob {
    use std::io::Write;

    let mut file = euryale_core::body::UnnamedFile::create(std::env::temp_dir()).unwrap();
    file.write_all(&vec![b'f'; len]).unwrap();
    let blob = file.into_blob().unwrap();
    blob.file().sync_all().unwrap();
    blob
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Advice, fadvise};

    use super::*;

    #[test]
    fn a_piece_that_was_in_memory_is_not_checked_again_at_once() {
        let blob = of_fs(4 * RUN);
        let evict = || fadvise(blob.file(), 0, None, Advice::DontNeed).unwrap();
        let piece = blob.slice(0, 2 * RUN as u64);
        let other = blob.slice(1, 2 * RUN as u64);
        piece.preload().unwrap();
        let now = Instant::now();
        if !was_warm_lately(&piece, now) {
            return euryale_test::skip("this file system does not tell what is in memory");
        }
        evict();
        assert!(!was_warm_lately(&other, now), "another piece");
        assert!(was_warm_lately(&piece, now + LATELY / 2));
        assert!(!was_warm_lately(&piece, now + LATELY), "too long ago");
    }

    #[test]
    fn a_file_is_not_warm_when_only_its_ends_are() {
        let len = 16 * RUN as u64;
        let blob = of_fs(16 * RUN);
        fadvise(blob.file(), 0, None, Advice::DontNeed).unwrap();
        fadvise(blob.file(), 0, None, Advice::Random).unwrap();
        let first = blob.slice(0, 1);
        let last = blob.slice(len - 1, 1);
        assert!(!is_warm(&blob));
        first.preload().unwrap();
        last.preload().unwrap();
        if !is_warm(&first) {
            return euryale_test::skip("this file system does not tell what is in memory");
        }
        assert!(is_warm(&last) && !is_warm(&blob));
        blob.preload().unwrap();
        assert!(is_warm(&blob));
    }
}
