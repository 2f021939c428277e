//! Small files in memory, which are read and written together with their head.
//!
//! A map, a check of the page cache and `sendfile(2)` cost 3.5 µs of CPU, however short the file is
//! (a loop of these calls on a loopback socket, Linux 6.18). Reading and one `writev` cost 1.7 µs
//! for 4 KiB, 2.8 for 24, and as much as the map for 48.

use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::Blob;
use euryale_core::body::{BlobChunks, ReadBlob};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::SendfileBook;

/// The maximum length of a file that is read, in bytes: as much as `euryale-blob` reads at a time
/// for a peer that may stall.
const SMALL: u64 = 24 << 10;

/// A small file that has been read.
pub(super) struct Small {
    book: Arc<SendfileBook>,
    bytes: Bytes,
}

impl Small {
    /// Reads `blob` if it is small, and all of it is in the page cache. Never waits for a disk.
    pub(super) fn read(book: &Arc<SendfileBook>, blob: &Blob) -> Option<Self> {
        if blob.len() > SMALL {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(blob.len()).ok()?];
        let read = loop {
            let mut space = [IoSliceMut::new(&mut bytes)];
            match preadv2(
                blob.file(),
                &mut space,
                blob.offset(),
                ReadWriteFlags::NOWAIT,
            ) {
                Err(Errno::INTR) => {}
                read => break read.ok()?,
            }
        };
        // A file that is shorter than it was is not answered as if it were whole.
        (read == bytes.len()).then(|| Self {
            book: Arc::clone(book),
            bytes: bytes.into(),
        })
    }
}

impl ReadBlob for Small {
    fn read(&self, _blob: Blob) -> Box<dyn BlobChunks> {
        self.book.blobs.add(1);
        self.book.bytes.add(self.bytes.len() as u64);
        Box::new(Whole(self.bytes.clone()))
    }
}

/// The only chunk.
struct Whole(Bytes);

impl BlobChunks for Whole {
    fn poll_chunk(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        Poll::Ready(Ok(std::mem::take(&mut self.0)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::fd::AsRawFd;

    use euryale_core::Ledger;
    use rustix::fs::{Advice, fadvise};

    use super::*;
    use crate::linux::cold::of_fs;

    fn read(blob: &Blob) -> Option<Bytes> {
        Small::read(&Ledger::new().of(), blob).map(|small| small.bytes)
    }

    #[test]
    fn a_small_part_of_a_file_in_memory_is_read() {
        let whole = of_fs(2 * SMALL as usize);
        whole.preload().unwrap();
        let part = whole.slice(100, SMALL);
        let Some(bytes) = read(&part) else {
            return euryale_test::skip("this file system does not tell what is in memory");
        };
        assert!(bytes.len() as u64 == SMALL && bytes.iter().all(|byte| *byte == b'f'));
        assert_eq!(read(&whole.slice(0, SMALL + 1)), None, "it is worth a map");
    }

    #[test]
    fn a_file_on_a_disk_is_not_read() {
        let blob = of_fs(SMALL as usize);
        blob.preload().unwrap();
        if read(&blob).is_none() {
            return euryale_test::skip("this file system does not tell what is in memory");
        }
        fadvise(blob.file(), 0, None, Advice::DontNeed).unwrap();
        assert_eq!(read(&blob), None);
    }

    #[test]
    fn a_file_that_became_shorter_is_not_taken_for_the_whole() {
        let blob = of_fs(SMALL as usize);
        blob.preload().unwrap();
        if read(&blob).is_none() {
            return euryale_test::skip("this file system does not tell what is in memory");
        }
        // The blob's own descriptor is read-only.
        let name = format!("/proc/self/fd/{}", blob.file().as_raw_fd());
        let writer = OpenOptions::new().write(true).open(name).unwrap();
        writer.set_len(SMALL - 1).unwrap();
        assert_eq!(read(&blob), None);
    }
}
