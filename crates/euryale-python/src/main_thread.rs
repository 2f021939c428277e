//! Gives orders from Rust to Python's main thread.
//!
//! An order is a count, which the main thread reads after it was woken through a socket. So no
//! order is lost when the socket is full: what is in the socket wakes the main thread as well.
//!
//! The interpreter writes the numbers of signals to the same socket (`signal.set_wakeup_fd`), so
//! that the main thread wakes up and runs their handlers, whichever thread received the signal.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

/// What the main thread is to do.
#[pyclass(
    frozen,
    eq,
    from_py_object,
    module = "euryale._euryale",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start one more worker thread.
    StartThread,
    /// Start one more thread for calls outside the workers.
    StartLaneThread,
    /// Start one more thread for streams.
    StartStreamThread,
    /// SIGHUP arrived, so read the settings again.
    Reload,
    /// Answer, to show that the interpreter runs.
    Answer,
    /// Write the stacks of calls that have run for too long.
    Stacks,
    /// Return the stacks of all running calls, for a dump.
    Dump,
    /// The server has ended, so join the threads.
    Ended,
}

/// All orders, in the sequence in which they are carried out. The end is last, because a thread
/// whose start was interrupted can only be joined once it has been started.
const ORDERS: [Order; 8] = [
    Order::StartThread,
    Order::StartLaneThread,
    Order::StartStreamThread,
    Order::Reload,
    Order::Answer,
    Order::Stacks,
    Order::Dump,
    Order::Ended,
];

/// The byte that wakes the main thread. It is not the number of a signal.
const WAKE: [u8; 1] = [0];

/// The orders that were given and not yet carried out. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub(crate) struct MainThread(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: UnixStream,
    /// How often each order is still to be carried out.
    due: [AtomicUsize; ORDERS.len()],
}

impl Order {
    /// Returns how often the order may be due. Twice is enough where one run serves all that was
    /// ordered before it began: the first may be under way.
    fn most(self) -> usize {
        match self {
            Self::StartThread | Self::StartLaneThread | Self::StartStreamThread => usize::MAX,
            Self::Ended | Self::Reload | Self::Answer | Self::Stacks | Self::Dump => 2,
        }
    }
}

impl MainThread {
    /// Creates the socket, and returns the descriptor of the other end, which belongs to the
    /// caller.
    pub(crate) fn new() -> io::Result<(Self, RawFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        // Signal handlers also write to it, and must not wait.
        ours.set_nonblocking(true)?;
        let shared = Shared {
            socket: ours,
            due: Default::default(),
        };
        Ok((Self(Arc::new(shared)), theirs.into_raw_fd()))
    }

    /// Returns the descriptor for `signal.set_wakeup_fd`, which is open as long as this value
    /// exists.
    pub(crate) fn wakeup_fd(&self) -> RawFd {
        self.0.socket.as_raw_fd()
    }

    /// Gives the order `count` times, and wakes the main thread.
    ///
    /// # Errors
    /// The other end is closed. The order is still due, but nobody may carry it out.
    pub(crate) fn order(&self, order: Order, count: usize) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let more = |due: usize| Some(due.saturating_add(count).min(order.most()));
        let due = self.due(order);
        let _ = due.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        match (&self.0.socket).write(&WAKE) {
            // The socket is full, so the main thread wakes up anyway, and then reads the orders.
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => Ok(()),
            written => written.map(drop),
        }
    }

    /// Like [`order`](Self::order), for orders without which the server continues. An error is
    /// logged.
    pub(crate) fn tell(&self, order: Order, count: usize) {
        if let Err(error) = self.order(order, count) {
            tracing::error!(?order, %error, "the main thread could not be reached");
        }
    }

    /// Returns the next order. It is due until it was [carried out](Self::carried_out).
    pub(crate) fn next_order(&self) -> Option<Order> {
        let is_due = |order: &Order| self.due(*order).load(Ordering::Acquire) > 0;
        ORDERS.into_iter().find(is_due)
    }

    /// Records that the main thread has carried out this order once.
    pub(crate) fn carried_out(&self, order: Order) {
        let fewer = |due: usize| due.checked_sub(1);
        let due = self.due(order);
        // Only the main thread lowers the count, so it is not zero.
        let _ = due.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
    }

    fn due(&self, order: Order) -> &AtomicUsize {
        &self.0.due[order as usize]
    }
}
