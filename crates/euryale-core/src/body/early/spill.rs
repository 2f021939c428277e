//! The files of early answers whose clients are slow.

use std::any::Any;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Creates the files for bytes that clients of early answers have not read yet, within a budget for
/// all of them.
///
/// Its methods are called in a worker, and may block, but must not wait for another answer to end.
pub trait SpillStore: Send + Sync + 'static {
    /// Creates an empty file for one answer. `None` if there is no room for another one: the
    /// answer's worker then waits for its client.
    ///
    /// # Errors
    /// The file system's. They are logged, and from then on the worker waits for its client.
    fn create(&self) -> io::Result<Option<Arc<dyn SpillFile>>>;

    /// Charges the memory of one answer's window, in bytes, to a budget until the result is
    /// dropped. `None` if there is no room for it: the window then has 4 KiB, which are not
    /// charged, and the file is used sooner. Default: there is no budget of memory.
    fn charge_window(&self, bytes: usize) -> Option<Box<dyn Any + Send + Sync>> {
        let _ = bytes;
        Some(Box::new(()))
    }
}

/// The file of one answer. It is closed, and what it reserved is returned, when it is dropped.
pub trait SpillFile: Send + Sync + 'static {
    /// The file, which nobody else writes to.
    fn file(&self) -> &File;

    /// Reserves room for `len` bytes in all. `false` if there is none, and then nothing changes.
    fn reserve(&self, len: u64) -> bool;
}
