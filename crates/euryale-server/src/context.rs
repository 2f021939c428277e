//! The state that all tasks of a server share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use euryale_core::Ledger;
use euryale_sendfile::SendfileCounts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerBook;
use crate::admission::Admission;

/// A server, as its tasks see it.
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
    /// A token for each socket whose peer has not been told that it serves no further request.
    pub(crate) reusable: TaskTracker,
    /// No new peers on listeners that this process has inherited.
    pub(crate) stop_inherited: CancellationToken,
    /// No new peers on any listener.
    pub(crate) stop: CancellationToken,
    /// The drain has begun: each answer is the last one of its socket.
    pub(crate) drain: CancellationToken,
    /// The lame duck is over: idle sockets close.
    pub(crate) close_idle: CancellationToken,
    /// End at once.
    pub(crate) cut: CancellationToken,
}
