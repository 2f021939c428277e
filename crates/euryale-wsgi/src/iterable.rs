//! The iterable that an application returned.

use euryale_core::Blob;

/// The iterable of blocks that an application returned, implemented by the host.
pub trait Iterable {
    /// One block of bytes, borrowed until the next call.
    type Block: AsRef<[u8]>;
    /// The exception that the application raised.
    type Error;

    /// Returns the open file behind this iterable, starting at its position and with at most
    /// `length` bytes. `None` means that it must be iterated. Called once, before all other
    /// methods.
    fn file(&mut self, length: Option<u64>) -> Option<Blob>;

    /// Returns whether all blocks exist already, as those of a list do. Then no answer leaves
    /// before the last one. Default: `false`.
    fn is_list(&self) -> bool {
        false
    }

    /// The next block, which may be empty. `None` at the end.
    ///
    /// # Errors
    /// The exception that the application raised. The iterable is then closed, and not called
    /// again.
    fn next(&mut self) -> Result<Option<Self::Block>, Self::Error>;

    /// Calls the iterable's `close()`, if it has one. Called exactly once, in the thread that
    /// iterates.
    ///
    /// # Errors
    /// The exception that the application raised.
    fn close(&mut self) -> Result<(), Self::Error>;
}
