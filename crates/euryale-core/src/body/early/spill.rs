//! The files of early answers whose clients are slow.

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
}

/// The file of one answer. It is closed, and what it reserved is returned, when it is dropped.
pub trait SpillFile: Send + Sync + 'static {
    /// The file, which nobody else writes to.
    fn file(&self) -> &File;

    /// Reserves room for `len` bytes in all. `false` if there is none, and then nothing changes.
    fn reserve(&self, len: u64) -> bool;
}
