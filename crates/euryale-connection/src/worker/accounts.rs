//! The gauges that count one job and its connection.

use std::sync::Arc;

use crate::PoolBook;

/// Counts a running job and its worker's connection. Dropping it restores the gauges, even if the
/// worker unwinds.
pub(super) struct Accounts {
    book: Arc<PoolBook>,
    is_connected: bool,
}

impl Accounts {
    /// Counts a job that begins; its worker may already have a connection.
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

    /// Records that the worker now has a connection.
    pub(super) fn connected(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.book.connections.in_use.add(1);
        }
    }

    /// Records that the worker no longer has a connection.
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
