//! Buffers that come back when the bytes in them were sent.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers of one size. Those that nobody uses are kept, up to a number.
pub(crate) struct Buffers {
    size: usize,
    keep: usize,
    free: Mutex<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// Of `size` bytes, of which at most `keep` are kept for later.
    pub(crate) fn new(size: usize, keep: usize) -> Arc<Self> {
        Arc::new(Self { size, keep, free: Mutex::new(Vec::new()) })
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// A buffer, on account of `lent`.
    pub(crate) fn take(self: &Arc<Self>, lent: &Lent) -> Buffer {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = free.unwrap_or_else(|| vec![0; self.size].into());
        Buffer { bytes, len: 0, home: Arc::clone(self), _lent: lent.clone() }
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.keep {
            free.push(bytes);
        }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Counts the buffers of one stream that are not back.
#[derive(Clone, Default)]
pub(crate) struct Lent(Arc<()>);

impl Lent {
    pub(crate) fn buffers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// One buffer. Its old contents are seen by nobody: only what was filled is given on.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    home: Arc<Buffers>,
    _lent: Lent,
}

impl Buffer {
    pub(crate) fn space(&mut self, want: usize) -> &mut [u8] {
        let want = want.min(self.bytes.len());
        &mut self.bytes[..want]
    }

    /// The first `len` bytes of it. It goes back with the last clone of them.
    pub(crate) fn filled(mut self, len: usize) -> Bytes {
        self.len = len.min(self.bytes.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("size", &self.size).finish_non_exhaustive()
    }
}
