//! Releases the lock of an interpreter during work that waits for the disk.

/// Runs work that waits for the disk without the interpreter's lock, so that other workers can
/// continue.
///
/// Python's host releases the GIL around it. `work` calls no code of the application, and holds no
/// lock of this crate when it returns.
pub trait Unlock {
    /// Runs `work` on this thread.
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T;
}

/// The implementation for a host whose language has no such lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLock;

impl Unlock for NoLock {
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        work()
    }
}
