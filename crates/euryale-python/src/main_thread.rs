//! Orders from Rust to Python's main thread, one byte each, through a socket.
//!
//! The interpreter writes the numbers of signals to the same socket (`signal.set_wakeup_fd`), so
//! that the main thread wakes up and runs their handlers whichever thread the signal met. Signals
//! have numbers below 128, and orders above.

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Start one more worker thread.
pub(crate) const START_THREAD: u8 = 0x80;
/// SIGHUP came: read the settings again.
pub(crate) const RELOAD: u8 = 0x81;
/// The server has ended: join the threads.
pub(crate) const ENDED: u8 = 0x82;

/// The end of the socket to which orders are written.
#[derive(Clone, Debug)]
pub(crate) struct MainThread(Arc<UnixStream>);

impl MainThread {
    /// Returns also the descriptor of the other end, which belongs to the caller.
    pub(crate) fn new() -> std::io::Result<(Self, RawFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        // A signal handler writes to it, too, and must not wait.
        ours.set_nonblocking(true)?;
        Ok((Self(Arc::new(ours)), theirs.into_raw_fd()))
    }

    /// For `signal.set_wakeup_fd`. It is open for as long as this is kept.
    pub(crate) fn wakeup_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Writes the order `count` times. It is one write: each takes the socket's buffer much more
    /// room than its bytes, and a full buffer refuses the next.
    pub(crate) fn order(&self, order: u8, count: usize) {
        if let Err(error) = (&*self.0).write_all(&vec![order; count]) {
            tracing::error!(order, %error, "the main thread could not be reached");
        }
    }
}
