//! How many transactions diesel has open on a connection.

use diesel::Connection;
use diesel::connection::{AnsiTransactionManager, TransactionManager};

/// How many transactions are open, the outermost and its savepoints. None in one that is broken:
/// its connection is dropped.
pub(crate) fn depth<C>(connection: &mut C) -> u32
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    match status.transaction_depth() {
        Ok(Some(depth)) => depth.get(),
        Ok(None) | Err(_) => 0,
    }
}

/// Returns whether no transaction is open, and diesel is sure of it.
pub(crate) fn is_outside<C>(connection: &mut C) -> bool
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    matches!(status.transaction_depth(), Ok(None))
}
