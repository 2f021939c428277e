//! Runs transactions, and classifies SQLite's results.

use std::error::Error;

#[cfg(feature = "snapshot")]
use euryale_core::transaction::Snapshot;
use euryale_core::transaction::{Begin, Fault, Interrupt};
use euryale_core::{BoxError, Database};
use rusqlite::ffi::{self, ErrorCode};

use crate::{Connection, FileReplaced, Sqlite};

impl Database for Sqlite {
    type Connection = Connection;

    /// Opens a connection and sets it up; the file must exist. Fails with
    /// [`OpenError`](crate::OpenError).
    fn connect(&self) -> Result<Connection, BoxError> {
        Ok(self.open_connection(self.configured_busy_timeout())?)
    }

    /// Begins a transaction and takes its snapshot. Fails with [`FileReplaced`] or a
    /// [`rusqlite::Error`]; no transaction is open then.
    fn begin(&self, connection: &mut Connection, begin: Begin) -> Result<(), BoxError> {
        connection.begin(self.path(), begin)
    }

    /// Commits. Fails with [`TransactionEnded`](crate::TransactionEnded) or a [`rusqlite::Error`].
    /// After `BUSY` or a deferred constraint the transaction is still open; after most other errors
    /// SQLite has rolled it back.
    fn commit(&self, connection: &mut Connection) -> Result<(), BoxError> {
        connection.commit()
    }

    /// Rolls back an open transaction. It is not an error if SQLite has already rolled it back.
    fn abort(&self, connection: &mut Connection) -> Result<(), BoxError> {
        Ok(connection.abort()?)
    }

    fn classify(&self, error: &(dyn Error + 'static)) -> Fault {
        if error.is::<FileReplaced>() {
            return Fault::Disconnected;
        }
        match code(error) {
            Some(code) => fault(code),
            None => Fault::Other,
        }
    }

    /// Returns a handle to the state that the open transaction sees, or `None` while SQLite cannot
    /// provide one; see the crate's documentation.
    #[cfg(feature = "snapshot")]
    fn snapshot(&self, connection: &mut Connection) -> Result<Option<Snapshot>, BoxError> {
        Ok(crate::snapshot::Snapshot::get(connection)?.map(Snapshot::new))
    }

    /// Begins like [`begin`](Self::begin) with `Access::Read`, but in the state of `snapshot`.
    #[cfg(feature = "snapshot")]
    fn begin_at(
        &self,
        connection: &mut Connection,
        _: Begin,
        snapshot: &Snapshot,
    ) -> Result<bool, BoxError> {
        match snapshot.downcast_ref() {
            Some(snapshot) => connection.begin_at(self.path(), snapshot),
            None => Ok(false),
        }
    }

    /// Returns the flag that the connection's progress handler reads.
    fn interrupt<'c>(&self, connection: &'c Connection) -> Option<&'c Interrupt> {
        Some(connection.interrupt())
    }

    /// Returns whether no transaction is open.
    fn is_reusable(&self, connection: &mut Connection) -> bool {
        connection.is_idle()
    }

    /// Returns the number of transactions that were begun on this connection.
    ///
    /// The number approximates how full the connection's caches are (statements, schema and pages),
    /// which SQLite does not report through a safe interface. Preferring the connection with the
    /// most transactions also keeps writes on few connections, and SQLite drops a connection's
    /// cached pages when *another* one has written
    /// (<https://www.sqlite.org/fileformat2.html#file_change_counter>).
    fn warmth(&self, connection: &Connection) -> u64 {
        connection.begun()
    }
}

fn code<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ffi::Error> {
    match error.downcast_ref::<rusqlite::Error>() {
        Some(rusqlite::Error::SqliteFailure(code, _)) => Some(code),
        // The source of other variants, if they have one, is classified next.
        Some(_) => None,
        None => error.downcast_ref::<ffi::Error>(),
    }
}

/// Classifies an error by its [result code](https://www.sqlite.org/rescode.html). The reasons are
/// in the crate's documentation.
fn fault(error: &ffi::Error) -> Fault {
    match error.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Conflict,
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::NotADatabase
        | ErrorCode::DatabaseCorrupt => Fault::Disconnected,
        // An error without an extended code is caused by `PRAGMA query_only`, and one with an
        // extended code by the file.
        ErrorCode::ReadOnly if error.extended_code != ffi::SQLITE_READONLY => Fault::Disconnected,
        ErrorCode::DiskFull => Fault::Full,
        ErrorCode::OperationInterrupted => Fault::Elapsed,
        _ => Fault::Other,
    }
}
