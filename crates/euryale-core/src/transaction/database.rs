//! The interface of a database that serves publishers.

use std::sync::Arc;
use std::time::Instant;

use crate::error::BoxError;
use crate::transaction::{Doubt, Interrupt, Settled, Snapshot};

/// The intended use of the database by a transaction. A hint, not a restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// The publisher will only read.
    Read,
    /// The publisher may write.
    Write,
}

impl Access {
    /// [`Read`](Access::Read) for the methods that are safe in the
    /// [registry](https://www.iana.org/assignments/http-methods/http-methods.xhtml) (RFC 9110
    /// §16.1.1): GET, HEAD, OPTIONS, TRACE, PROPFIND, QUERY, REPORT and
    /// SEARCH.
    #[must_use]
    pub fn of(method: &http::Method) -> Self {
        let is_safe = method.is_safe()
            || matches!(method.as_str(), "PROPFIND" | "QUERY" | "REPORT" | "SEARCH");
        if is_safe { Self::Read } else { Self::Write }
    }
}

/// The settings with which a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begin {
    /// The intended use of the database.
    pub access: Access,
    /// The time at which the transaction is stopped, if it has not ended before. A database that
    /// can limit its own waits (for a lock, for a server) should limit them by this deadline; a
    /// pool stops the transaction through [`Database::interrupt`] in any case. `None` means no
    /// limit.
    pub deadline: Option<Instant>,
}

impl Begin {
    /// Creates settings with this access and without a deadline.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            deadline: None,
        }
    }

    /// Sets the deadline.
    #[must_use]
    pub fn deadline(self, deadline: impl Into<Option<Instant>>) -> Self {
        Self {
            deadline: deadline.into(),
            ..self
        }
    }
}

impl From<Access> for Begin {
    fn from(access: Access) -> Self {
        Self::new(access)
    }
}

/// The meaning of a database error for its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Another transaction won; the request can be published again.
    #[doc(alias = "ConflictError")]
    #[doc(alias = "TransientError")]
    Conflict,
    /// The connection is broken.
    Disconnected,
    /// A commit was sent and its outcome is unknown. The transaction is never retried.
    InDoubt,
    /// The connection was lost before the commit was sent: nothing was committed.
    LostBeforeCommit,
    /// A statement took too long and was stopped, or waited until the transaction's deadline.
    /// Nothing was committed and the connection is intact. Another attempt would take as long, so
    /// it is answered with 504 and never retried.
    Elapsed,
    /// There is no room left for the data. Nothing was committed, and the connection is intact.
    Full,
    /// Anything else.
    Other,
}

/// A database with connections and transactions.
///
/// Every method blocks, so all of them are called **only in a worker**; connections are also
/// dropped there. (The synchronous `postgres` client, for example, panics when it is dropped on a
/// runtime thread.)
///
/// `classify` is called for each error of a source chain, outermost first, until it returns
/// something other than [`Fault::Other`]: an application may wrap a conflict in its own error.
#[doc(alias = "ZODB.DB")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Database`",
    label = "this says not how to connect, begin, commit and abort",
    note = "SQLite: `euryale_sqlite::Sqlite`; PostgreSQL: `euryale_postgres::Postgres`; `()` for \
        no database at all",
    note = "what r2d2 manages (diesel, postgres): `R2d2::new(manager)`, by the feature `r2d2` of \
        euryale-connection"
)]
pub trait Database: Send + Sync + 'static {
    /// One connection, with its caches.
    type Connection: Send + 'static;

    /// Opens a connection.
    ///
    /// # Errors
    /// The database's own error; the request is answered 503.
    fn connect(&self) -> Result<Self::Connection, BoxError>;

    /// Begins a transaction.
    ///
    /// # Errors
    /// The database's own error, which is classified like any other.
    fn begin(&self, connection: &mut Self::Connection, begin: Begin) -> Result<(), BoxError>;

    /// Commits. After an error the transaction counts as rolled back, unless `classify` says that
    /// it is in doubt or that the connection broke (which means the same after a commit was sent).
    ///
    /// # Errors
    /// The database's own error.
    fn commit(&self, connection: &mut Self::Connection) -> Result<(), BoxError>;

    /// Rolls back. Must also work after a failed commit.
    ///
    /// # Errors
    /// The database's own error; the connection is dropped.
    fn abort(&self, connection: &mut Self::Connection) -> Result<(), BoxError>;

    /// Returns the meaning of one error (not of its sources).
    fn classify(&self, error: &(dyn std::error::Error + 'static)) -> Fault;

    /// Returns a snapshot of the state that the open transaction sees, which has only read.
    /// Default: `None`, because the database has no snapshots.
    ///
    /// # Errors
    /// The database's own error. It is logged, and later passes see the current state.
    fn snapshot(&self, connection: &mut Self::Connection) -> Result<Option<Snapshot>, BoxError> {
        let _ = connection;
        Ok(None)
    }

    /// Begins a reading transaction that sees `snapshot`, which this database made on any
    /// connection. `begin.access` is [`Access::Read`]. Returns `false` if that state is gone; no
    /// transaction is open then. Default: `false`.
    ///
    /// # Errors
    /// The database's own error, which is classified like one of [`begin`](Database::begin).
    fn begin_at(
        &self,
        connection: &mut Self::Connection,
        begin: Begin,
        snapshot: &Snapshot,
    ) -> Result<bool, BoxError> {
        let _ = (connection, begin, snapshot);
        Ok(false)
    }

    /// Returns an identifier of the commit that failed on this connection with an unknown outcome.
    /// Called before the connection is dropped. Default: `None`, because the database cannot find
    /// out whether the commit took place, and the transaction stays in doubt.
    fn doubt(&self, connection: &mut Self::Connection) -> Option<Doubt> {
        let _ = connection;
        None
    }

    /// Finds out, on another connection, whether a commit took place, or makes sure that it never
    /// does. If this fails, it is called again on a new connection, for at most 30 s.
    ///
    /// # Errors
    /// The database's own error.
    fn settle(
        &self,
        connection: &mut Self::Connection,
        doubt: &Doubt,
    ) -> Result<Settled, BoxError> {
        let _ = (connection, doubt);
        Ok(Settled::Unknown)
    }

    /// Returns the handle by which other threads stop a statement of this connection. It is made
    /// when the connection is opened, and kept with it. Default: `None`. A stopped transaction then
    /// continues until its publisher next calls `connection` or returns; it is not committed.
    ///
    /// The statement ends with an error that is classified as [`Elapsed`](Fault::Elapsed).
    fn interrupt<'c>(&self, connection: &'c Self::Connection) -> Option<&'c Interrupt> {
        let _ = connection;
        None
    }

    /// Returns whether the connection can serve another job. Called after each job, and again
    /// before an idle connection serves a job, because the server may have closed it. `false` drops
    /// it.
    fn is_reusable(&self, connection: &mut Self::Connection) -> bool {
        let _ = connection;
        true
    }

    /// Returns how full this connection's caches are, in units of the database's choice. The
    /// warmest idle connection is used first; of equal ones, the one used last. ZODB sorts its pool
    /// in the same way (`ZODB/DB.py`).
    fn warmth(&self, connection: &Self::Connection) -> u64 {
        let _ = connection;
        0
    }
}

impl<D: Database> Database for Arc<D> {
    type Connection = D::Connection;

    fn connect(&self) -> Result<Self::Connection, BoxError> {
        (**self).connect()
    }

    fn begin(&self, connection: &mut Self::Connection, begin: Begin) -> Result<(), BoxError> {
        (**self).begin(connection, begin)
    }

    fn commit(&self, connection: &mut Self::Connection) -> Result<(), BoxError> {
        (**self).commit(connection)
    }

    fn abort(&self, connection: &mut Self::Connection) -> Result<(), BoxError> {
        (**self).abort(connection)
    }

    fn classify(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        (**self).classify(error)
    }

    fn snapshot(&self, connection: &mut Self::Connection) -> Result<Option<Snapshot>, BoxError> {
        (**self).snapshot(connection)
    }

    fn begin_at(
        &self,
        connection: &mut Self::Connection,
        begin: Begin,
        snapshot: &Snapshot,
    ) -> Result<bool, BoxError> {
        (**self).begin_at(connection, begin, snapshot)
    }

    fn doubt(&self, connection: &mut Self::Connection) -> Option<Doubt> {
        (**self).doubt(connection)
    }

    fn settle(
        &self,
        connection: &mut Self::Connection,
        doubt: &Doubt,
    ) -> Result<Settled, BoxError> {
        (**self).settle(connection, doubt)
    }

    fn interrupt<'c>(&self, connection: &'c Self::Connection) -> Option<&'c Interrupt> {
        (**self).interrupt(connection)
    }

    fn is_reusable(&self, connection: &mut Self::Connection) -> bool {
        (**self).is_reusable(connection)
    }

    fn warmth(&self, connection: &Self::Connection) -> u64 {
        (**self).warmth(connection)
    }
}

/// No database. A pool of `()` only limits the number of publications that run at a time.
///
/// Use it for programs whose connections are managed elsewhere, or that have none. Its transactions
/// have hooks and participants like all others, and never conflict.
///
/// ```
/// use euryale_core::Database;
/// use euryale_core::transaction::Access;
///
/// let begun = ().begin(&mut (), Access::Write.into());
/// assert!(begun.is_ok());
/// ```
impl Database for () {
    type Connection = ();

    #[inline]
    fn connect(&self) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn begin(&self, _connection: &mut (), _begin: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn commit(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    #[inline]
    fn abort(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, _error: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Other
    }
}

/// Returns the first result of `classify` along the source chain that is not [`Fault::Other`].
pub(crate) fn fault<D: Database>(database: &D, error: &(dyn std::error::Error + 'static)) -> Fault {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| database.classify(error))
        .find(|fault| *fault != Fault::Other)
        .unwrap_or(Fault::Other)
}
