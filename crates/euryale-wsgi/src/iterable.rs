//! What an application returned.

use euryale_core::Blob;

/// What an application returned, as the host sees it: an iterable of blocks.
pub trait Iterable {
    /// One block of bytes, lent until the next call.
    type Block: AsRef<[u8]>;
    /// What the application raised.
    type Error;

    /// The open file that this iterable is, from its position on, at most `length` bytes of it.
    /// `None`: it is iterated. Asked once, before everything else.
    fn file(&mut self, length: Option<u64>) -> Option<Blob>;

    /// The next block, which may be empty. `None` at the end.
    ///
    /// # Errors
    /// What the application raised. The iterable is closed then, and not asked again.
    fn next(&mut self) -> Result<Option<Self::Block>, Self::Error>;

    /// Calls the iterable's `close()`, if it has one. Called exactly once, in the thread that
    /// iterated.
    ///
    /// # Errors
    /// What the application raised.
    fn close(&mut self) -> Result<(), Self::Error>;
}
