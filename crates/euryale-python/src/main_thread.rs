//! Sends orders of one byte each from Rust to Python's main thread, through a socket.
//!
//! The interpreter writes the numbers of signals to the same socket (`signal.set_wakeup_fd`), so
//! that the main thread wakes up and runs their handlers, whichever thread received the signal.
//! Numbers below 128 are signals, and the others are orders.

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Order: start one more worker thread.
pub(crate) const START_THREAD: u8 = 0x80;
/// Order: SIGHUP arrived, so read the settings again.
pub(crate) const RELOAD: u8 = 0x81;
/// Order: the server has ended, so join the threads.
pub(crate) const ENDED: u8 = 0x82;
/// Order: answer, to show that the interpreter runs.
pub(crate) const ANSWER: u8 = 0x83;
/// Order: start one more thread of the lane.
pub(crate) const START_LANE_THREAD: u8 = 0x84;
/// Order: write the stacks of calls that have run for too long.
pub(crate) const STACKS: u8 = 0x85;

/// The socket to which orders are written.
#[derive(Clone, Debug)]
pub(crate) struct MainThread(Arc<UnixStream>);

impl MainThread {
    /// Creates the socket, and returns the descriptor of the other end, which belongs to the
    /// caller.
    pub(crate) fn new() -> std::io::Result<(Self, RawFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        // Signal handlers also write to it, and must not wait.
        ours.set_nonblocking(true)?;
        Ok((Self(Arc::new(ours)), theirs.into_raw_fd()))
    }

    /// Returns the descriptor for `signal.set_wakeup_fd`, which is open as long as this value
    /// exists.
    pub(crate) fn wakeup_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Writes the order `count` times, in one write. Each write takes much more room in the
    /// socket's buffer than its bytes, and a full buffer refuses further ones.
    ///
    /// # Errors
    /// The main thread could not be reached: the buffer is full, or the other end is closed.
    pub(crate) fn order(&self, order: u8, count: usize) -> std::io::Result<()> {
        (&*self.0).write_all(&vec![order; count])
    }

    /// Like [`order`](Self::order), for orders without which the server continues. An error is
    /// logged.
    pub(crate) fn tell(&self, order: u8, count: usize) {
        if let Err(error) = self.order(order, count) {
            tracing::error!(order, %error, "the main thread could not be reached");
        }
    }
}
