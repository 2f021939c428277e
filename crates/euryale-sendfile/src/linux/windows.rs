//! The files that one socket may have to send.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use euryale_core::Blob;

use super::map::Map;
use crate::SendfileCounts;

/// The files that one socket sends, usually none or one. Clones share the list.
#[derive(Clone, Debug)]
pub struct Windows {
    open: Arc<OpenWindows>,
}

#[derive(Debug)]
struct OpenWindows {
    list: Mutex<Vec<Window>>,
    /// The length of the list, because most writes of a socket contain no file.
    count: AtomicUsize,
    counts: SendfileCounts,
}

/// A range of addresses and its blob, counted as open for as long as any of it may be sent.
#[derive(Clone, Debug)]
struct Window {
    begin: usize,
    len: usize,
    blob: Blob,
}

/// The position in a file of bytes to be written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) blob: Blob,
    pub(super) offset: u64,
}

impl Place {
    /// Returns whether `len` bytes from here reach the end of the blob.
    pub(super) fn is_end(&self, len: usize) -> bool {
        self.offset + len as u64 == self.blob.offset() + self.blob.len()
    }
}

impl Windows {
    pub(super) fn new(counts: SendfileCounts) -> Self {
        let open = OpenWindows {
            list: Mutex::default(),
            count: AtomicUsize::new(0),
            counts,
        };
        Self {
            open: Arc::new(open),
        }
    }

    pub(super) fn counts(&self) -> &SendfileCounts {
        &self.open.counts
    }

    /// Returns all of `blob` as bytes. The window exists until the last of them is dropped.
    pub(super) fn open(&self, blob: Blob) -> io::Result<Bytes> {
        let map = Map::new(blob.file(), blob.offset(), blob.len())?;
        let bytes = map.as_ref();
        let begin = bytes.as_ptr().addr();
        let len = bytes.len();
        let window = Window { begin, len, blob };
        self.open.add(window);
        Ok(Bytes::from_owner(Open {
            map,
            begin,
            windows: Arc::clone(&self.open),
        }))
    }

    /// Returns the position of `bytes`, if they are in a window. Does not read them.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Place> {
        if self.open.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let at = bytes.as_ptr().addr();
        let list = self.open.lock();
        let window = list
            .iter()
            .find(|window| (window.begin..window.begin + window.len).contains(&at))?;
        // Only this window can be at these addresses, and a slice of a window ends within it.
        let offset = window.blob.offset() + (at - window.begin) as u64;
        Some(Place {
            blob: window.blob.clone(),
            offset,
        })
    }
}

impl OpenWindows {
    fn lock(&self) -> MutexGuard<'_, Vec<Window>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, window: Window) {
        let mut list = self.lock();
        list.push(window);
        self.count.store(list.len(), Ordering::Release);
    }

    fn close(&self, begin: usize) {
        let mut list = self.lock();
        let closed = list
            .iter()
            .position(|window| window.begin == begin)
            .map(|at| list.swap_remove(at));
        self.count.store(list.len(), Ordering::Release);
        drop(list);
        drop(closed);
    }
}

/// The owner of a window's bytes.
struct Open {
    map: Map,
    begin: usize,
    windows: Arc<OpenWindows>,
}

impl AsRef<[u8]> for Open {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref()
    }
}

impl Drop for Open {
    /// The window is removed before the file is unmapped, because the addresses may be reused at
    /// once.
    fn drop(&mut self) {
        self.windows.close(self.begin);
    }
}
