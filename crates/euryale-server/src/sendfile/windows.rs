//! The files whose maps one socket may have to write.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use euryale_core::Blob;

use super::map::Map;
use crate::sendfile_book::SendfileCounts;

/// The windows that are open on one socket: mostly none or one.
#[derive(Debug)]
pub(crate) struct Windows {
    open: Mutex<Vec<Window>>,
    /// How many those are: most writes of a socket have no file in them.
    count: AtomicUsize,
    pub(super) counts: SendfileCounts,
}

/// Addresses, and the blob that they are: counted as open for as long as any of it may be sent.
#[derive(Clone, Debug)]
struct Window {
    begin: usize,
    len: usize,
    blob: Blob,
}

/// Where in a file some bytes are that were to be written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) blob: Blob,
    pub(super) offset: u64,
}

impl Windows {
    pub(crate) fn new(counts: SendfileCounts) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            count: AtomicUsize::new(0),
            counts,
        })
    }

    /// All of `blob` as bytes. The window is open until the last of them is dropped.
    pub(super) fn open(self: &Arc<Self>, blob: Blob) -> io::Result<Bytes> {
        let map = Map::new(blob.file(), blob.offset(), blob.len())?;
        let bytes = map.as_ref();
        let begin = bytes.as_ptr().addr();
        let len = bytes.len();
        let window = Window { begin, len, blob };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(window);
        self.count.store(open.len(), Ordering::Release);
        drop(open);
        Ok(Bytes::from_owner(Open {
            map,
            begin,
            windows: Arc::clone(self),
        }))
    }

    /// The place of `bytes`, if they lie in a window. Does not read them.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Place> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let at = bytes.as_ptr().addr();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let window = open
            .iter()
            .find(|window| (window.begin..window.begin + window.len).contains(&at))?;
        // Nothing else can lie there, and a slice of a window ends in it.
        let offset = window.blob.offset() + (at - window.begin) as u64;
        Some(Place {
            blob: window.blob.clone(),
            offset,
        })
    }

    fn close(&self, begin: usize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = open
            .iter()
            .position(|window| window.begin == begin)
            .map(|at| open.swap_remove(at));
        self.count.store(open.len(), Ordering::Release);
        drop(open);
        drop(closed);
    }
}

/// Owned by the bytes of a window.
struct Open {
    map: Map,
    begin: usize,
    windows: Arc<Windows>,
}

impl AsRef<[u8]> for Open {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref()
    }
}

impl Drop for Open {
    /// Forgotten first, unmapped then: the addresses may be given to others at once.
    fn drop(&mut self) {
        self.windows.close(self.begin);
    }
}
