//! Work that waits for the disk, and the lock of an interpreter.

/// Runs work that waits for the disk without the interpreter's lock, so that other workers can go
/// on.
///
/// Python's host releases the GIL around it. `work` calls nothing of the application, and holds no
/// lock of this crate when it returns.
pub trait Unlock {
    /// Runs `work` on this thread.
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T;
}

/// For a host whose language has no such lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLock;

impl Unlock for NoLock {
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        work()
    }
}
