//! Buffers that return to their pool when their bytes have been sent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A pool of buffers: any number of small ones, and a fixed number of large ones. Unused buffers
/// are kept, small ones up to a maximum.
pub(crate) struct Buffers {
    size: usize,
    keep: usize,
    free: Mutex<Vec<Box<[u8]>>>,
    large: Mutex<Large>,
}

/// The large buffers. Their number is fixed; each is allocated when it is first used.
#[derive(Default)]
struct Large {
    size: usize,
    free: Vec<Box<[u8]>>,
}

impl Buffers {
    /// Creates a pool of buffers of `size` bytes. At most `keep` unused buffers are kept.
    pub(crate) fn new(size: usize, keep: usize) -> Self {
        Self {
            size,
            keep,
            free: Mutex::default(),
            large: Mutex::default(),
        }
    }

    /// Adds `count` larger buffers of `size` bytes.
    pub(crate) fn with_large(self, count: usize, size: usize) -> Self {
        Self {
            large: Mutex::new(Large {
                size,
                free: vec![Box::default(); count],
            }),
            ..self
        }
    }

    /// Returns the size of a small buffer, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns a buffer for at most `want` bytes, and counts it in `lent`. It is a large buffer if
    /// `want` exceeds a small one and a large one is free.
    pub(crate) fn take(self: &Arc<Self>, lent: Lent, want: u64) -> Buffer {
        let large = if want > self.size as u64 {
            self.take_large()
        } else {
            None
        };
        let bytes = large.unwrap_or_else(|| self.take_small());
        Buffer {
            bytes,
            len: 0,
            home: Arc::clone(self),
            _lent: lent,
        }
    }

    fn take_small(&self) -> Box<[u8]> {
        let free = locked(&self.free).pop();
        free.unwrap_or_else(|| vec![0; self.size].into())
    }

    fn take_large(&self) -> Option<Box<[u8]>> {
        let mut large = locked(&self.large);
        let bytes = large.free.pop()?;
        let size = large.size;
        drop(large);
        Some(if bytes.is_empty() {
            vec![0; size].into()
        } else {
            bytes
        })
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        if bytes.len() > self.size {
            locked(&self.large).free.push(bytes);
            return;
        }
        let mut free = locked(&self.free);
        if free.len() < self.keep {
            free.push(bytes);
        }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        locked(&self.free).len()
    }
}

fn locked<T>(shelf: &Mutex<T>) -> MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the buffers that one stream holds.
#[derive(Clone, Default)]
pub(crate) struct Lent(Arc<()>);

impl Lent {
    pub(crate) fn buffers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// A buffer from the pool. Its old contents are never visible, because only filled bytes are passed
/// on.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    home: Arc<Buffers>,
    _lent: Lent,
}

impl Buffer {
    /// Returns the space for at most `want` bytes.
    pub(crate) fn space(&mut self, want: u64) -> &mut [u8] {
        let want = usize::try_from(want)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        &mut self.bytes[..want]
    }

    /// Returns the first `len` bytes. The buffer returns to the pool when their last clone is
    /// dropped.
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
        f.debug_struct("Buffers")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
