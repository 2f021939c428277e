//! r2d2 connections. A real program takes the manager from diesel, r2d2_sqlite or r2d2_postgres,
//! and writes only the second half.

use std::error::Error;
use std::path::PathBuf;

use euryale_connection::r2d2::TransactionControl;
use euryale_core::BoxError;
use euryale_core::transaction::{Access, Begin, Fault};
use rusqlite::{Connection, ErrorCode};

pub(crate) struct Manager(pub(crate) PathBuf);

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        Connection::open(&self.0)
    }

    fn is_valid(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.execute_batch("SELECT 1")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

/// Begins, commits and aborts transactions, and classifies errors.
pub(crate) struct Control;

impl TransactionControl<Connection> for Control {
    fn begin(&self, connection: &mut Connection, begin: Begin) -> Result<(), BoxError> {
        let begin = if begin.access == Access::Read {
            "BEGIN"
        } else {
            "BEGIN IMMEDIATE"
        };
        Ok(connection.execute_batch(begin)?)
    }

    fn commit(&self, connection: &mut Connection) -> Result<(), BoxError> {
        Ok(connection.execute_batch("COMMIT")?)
    }

    fn abort(&self, connection: &mut Connection) -> Result<(), BoxError> {
        // A failed statement or commit may already have rolled back.
        if connection.is_autocommit() {
            Ok(())
        } else {
            Ok(connection.execute_batch("ROLLBACK")?)
        }
    }

    fn classify(&self, error: &(dyn Error + 'static)) -> Fault {
        match error
            .downcast_ref()
            .and_then(rusqlite::Error::sqlite_error_code)
        {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Conflict,
            _ => Fault::Other,
        }
    }

    fn in_transaction(&self, connection: &mut Connection) -> bool {
        !connection.is_autocommit()
    }
}
