//! The operations of a pool on a connection.

use std::error::Error as StdError;

use euryale_core::transaction::{Begin, Doubt, Fault, Interrupt, Settled};
use euryale_core::{BoxError, Database};

use crate::error::{Error, fault_of};
use crate::marks::Mark;
use crate::{Connection, Postgres};

impl Database for Postgres {
    type Connection = Connection;

    /// Opens a connection. Fails with [`OpenError`](crate::OpenError).
    fn connect(&self) -> Result<Connection, BoxError> {
        Ok(self.open_connection()?)
    }

    /// Begins a transaction. This cannot fail for a reader, whose `BEGIN` is sent with its first
    /// statement.
    fn begin(&self, connection: &mut Connection, begin: Begin) -> Result<(), BoxError> {
        Ok(connection.begin(begin)?)
    }

    /// Commits. Fails with [`TransactionEnded`](crate::TransactionEnded) or [`Error`]. The end of a
    /// reader is sent and not awaited.
    fn commit(&self, connection: &mut Connection) -> Result<(), BoxError> {
        connection.commit()
    }

    /// Rolls back.
    fn abort(&self, connection: &mut Connection) -> Result<(), BoxError> {
        connection.abort()
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.fault();
        }
        error.downcast_ref().map_or(Fault::Other, fault_of)
    }

    /// Returns the mark of the commit that was sent. `None` without
    /// [marks](Postgres::create_marks).
    fn doubt(&self, connection: &mut Connection) -> Option<Doubt> {
        connection.mark.map(Doubt::new)
    }

    /// Sets the commit's mark if it is not set. If it was set by the commit, the transaction was
    /// committed; if not, its commit can no longer succeed.
    fn settle(&self, connection: &mut Connection, doubt: &Doubt) -> Result<Settled, BoxError> {
        match doubt.downcast_ref::<Mark>() {
            Some(mark) => connection.settle(*mark),
            None => Ok(Settled::Unknown),
        }
    }

    /// Returns an interrupt that sends a cancel on another connection, after which this one is
    /// dropped.
    fn interrupt<'c>(&self, connection: &'c Connection) -> Option<&'c Interrupt> {
        Some(connection.interrupt())
    }

    /// Returns whether no transaction is open, the server keeps the connection, and no writer has
    /// found the server read-only since it was opened. Does not wait, unless the job ran statements
    /// outside of a transaction.
    fn is_reusable(&self, connection: &mut Connection) -> bool {
        connection.is_reusable()
    }

    /// Returns the number of prepared statements, because their plans make a connection worth
    /// keeping.
    fn warmth(&self, connection: &Connection) -> u64 {
        connection.prepared() as u64
    }
}
