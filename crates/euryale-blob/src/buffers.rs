//! Buffers that are returned when their bytes have been sent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Any number of small buffers, and some large ones. Unused buffers are kept, of the small ones up
/// to a maximum.
pub(crate) struct Buffers {
    size: usize,
    keep: usize,
    free: Mutex<Vec<Box<[u8]>>>,
    large: Mutex<Large>,
}

/// Their number is fixed; a buffer is allocated when it is first lent.
#[derive(Default)]
struct Large {
    size: usize,
    free: Vec<Box<[u8]>>,
}

impl Buffers {
    /// Of `size` bytes, of which at most `keep` are kept for later.
    pub(crate) fn new(size: usize, keep: usize) -> Self {
        Self {
            size,
            keep,
            free: Mutex::default(),
            large: Mutex::default(),
        }
    }

    /// And the given number of larger ones.
    pub(crate) fn with_large(self, count: usize, size: usize) -> Self {
        Self {
            large: Mutex::new(Large {
                size,
                free: vec![Box::default(); count],
            }),
            ..self
        }
    }

    /// How large a small one is.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// A buffer for at most `want` bytes, counted in `lent`: a large one if that helps and one is
    /// left.
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

/// Counts the buffers that one stream has out.
#[derive(Clone, Default)]
pub(crate) struct Lent(Arc<()>);

impl Lent {
    pub(crate) fn buffers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// One buffer. Nobody sees its old contents: only filled bytes are passed on.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    home: Arc<Buffers>,
    _lent: Lent,
}

impl Buffer {
    /// Room for at most `want` bytes.
    pub(crate) fn space(&mut self, want: u64) -> &mut [u8] {
        let want = usize::try_from(want)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        &mut self.bytes[..want]
    }

    /// The first `len` bytes. The buffer is returned with the last clone of them.
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
