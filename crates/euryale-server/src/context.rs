//! The state that all tasks of a server share.

use std::sync::Arc;

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
    /// No new peers.
    pub(crate) stop: CancellationToken,
    /// Finish what is in flight.
    pub(crate) drain: CancellationToken,
    /// End at once.
    pub(crate) cut: CancellationToken,
}
