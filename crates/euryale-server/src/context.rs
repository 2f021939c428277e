//! The state that all tasks of a server share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use euryale_core::Ledger;
use euryale_sendfile::SendfileCounts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerBook;
use crate::admission::Admission;

/// The state of a server that its tasks share.
#[derive(Debug)]
pub(crate) struct ServerContext {
    pub(crate) admission: Arc<Admission>,
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<ServerBook>,
    pub(crate) sendfile: SendfileCounts,
    /// A token for each open socket, upgraded ones included.
    pub(crate) sockets: TaskTracker,
    /// The number of sockets that have been accepted.
    pub(crate) opened: AtomicUsize,
    /// A token for each socket whose peer does not yet know that the socket serves no further
    /// request.
    pub(crate) reusable: TaskTracker,
    /// Stops accepting on listeners that this process has inherited.
    pub(crate) stop_inherited: CancellationToken,
    /// Stops accepting on all listeners.
    pub(crate) stop: CancellationToken,
    /// The drain has begun, and each answer is the last one on its socket.
    pub(crate) drain: CancellationToken,
    /// The lame duck has ended, and idle sockets are closed.
    pub(crate) close_idle: CancellationToken,
    /// Everything ends at once.
    pub(crate) cut: CancellationToken,
}
