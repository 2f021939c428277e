//! The transaction and the savepoints that diesel has open on a connection.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::{Connection, QueryResult};

use crate::TransactionLeftOpen;

/// The number of open transactions: the outermost and its savepoints. Zero in one that is broken:
/// its connection is dropped.
fn depth<C>(connection: &mut C) -> u32
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    match status.transaction_depth() {
        Ok(Some(depth)) => depth.get(),
        Ok(None) | Err(_) => 0,
    }
}

/// Returns whether no transaction is open and diesel's own state is not broken.
pub(crate) fn is_outside<C>(connection: &mut C) -> bool
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    matches!(status.transaction_depth(), Ok(None))
}

/// Fails if a savepoint is open: diesel would only release it, and report success.
pub(crate) fn check_outermost<C>(connection: &mut C) -> Result<(), TransactionLeftOpen>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    if depth(connection) > 1 {
        return Err(TransactionLeftOpen);
    }
    Ok(())
}

/// Rolls back the transaction with all open savepoints.
pub(crate) fn roll_back<C>(connection: &mut C) -> QueryResult<()>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    while depth(connection) > 0 {
        AnsiTransactionManager::rollback_transaction(connection)?;
    }
    Ok(())
}
