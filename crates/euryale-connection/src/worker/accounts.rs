//! The gauges that count one job and its connection.

use std::sync::Arc;

use crate::PoolBook;

/// Counts a running job and its worker's connection. The gauges are restored when it is dropped,
/// also when a worker unwinds.
pub(super) struct Accounts {
    book: Arc<PoolBook>,
    is_connected: bool,
}

impl Accounts {
    /// A job begins; its worker may have a connection already.
    pub(super) fn open(book: Arc<PoolBook>, is_connected: bool) -> Self {
        book.publishers.running.add(1);
        let mut accounts = Self {
            book,
            is_connected: false,
        };
        if is_connected {
            accounts.connected();
        }
        accounts
    }

    /// The worker has a connection now.
    pub(super) fn connected(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.book.connections.in_use.add(1);
        }
    }

    /// The worker has no connection any more.
    pub(super) fn disconnected(&mut self) {
        if self.is_connected {
            self.is_connected = false;
            self.book.connections.in_use.add(-1);
        }
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        self.disconnected();
        self.book.publishers.running.add(-1);
    }
}
