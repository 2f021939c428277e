//! Begins and ends transactions, and classifies diesel's errors.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::Instant;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Bool;
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use euryale_core::transaction::{Access, Begin, Fault};
use euryale_core::{BoxError, Database};

use super::{ConnectError, Isolation, Postgres, ReadOnlyServer, TransactionFailed};
use crate::depth::{check_outermost, is_outside, roll_back};
use crate::message::by_start;

/// Fails on a read-only server, which is a standby or a former primary. It is sent together with
/// `BEGIN`. So a writer is refused before it has run, and every later `25006` is caused by a
/// reader.
const IS_WRITABLE: &str = "SELECT 1 / (current_setting('transaction_read_only') = 'off')::int";

/// The server's error message for that query.
const NOT_WRITABLE: &str = "division by zero";

/// Fails in a failed transaction, for which the server answers `COMMIT` with a rollback and no
/// error.
const IS_READ_ONLY: &str = "current_setting('transaction_read_only') = 'on'";

impl Database for Postgres {
    type Connection = PgConnection;

    /// Opens a connection. Fails with [`ConnectError`].
    fn connect(&self) -> Result<PgConnection, BoxError> {
        Ok(self.establish()?)
    }

    /// Begins a transaction. A connection that the server has closed, or whose server became
    /// read-only, is replaced by a new one first. Fails with [`ConnectError`], [`ReadOnlyServer`]
    /// or diesel's error.
    fn begin(&self, connection: &mut PgConnection, begin: Begin) -> Result<(), BoxError> {
        let sql = begin_sql(self.isolation, begin);
        match AnsiTransactionManager::begin_transaction_sql(connection, &sql) {
            Err(error) if is_lost(&error) || is_not_writable(&error, begin.access) => {}
            begun => return Ok(begun?),
        }
        *connection = self.establish()?;
        match AnsiTransactionManager::begin_transaction_sql(
            connection,
            &begin_sql(self.isolation, begin),
        ) {
            Err(error) if is_not_writable(&error, begin.access) => Err(Box::new(ReadOnlyServer)),
            begun => Ok(begun?),
        }
    }

    /// Commits, after a query that checks whether the transaction can still commit. Fails with
    /// [`TransactionLeftOpen`](crate::TransactionLeftOpen), [`TransactionFailed`] or diesel's
    /// error.
    fn commit(&self, connection: &mut PgConnection) -> Result<(), BoxError> {
        check_outermost(connection)?;
        let asked: QueryResult<bool> =
            diesel::select(diesel::dsl::sql::<Bool>(IS_READ_ONLY)).get_result(connection);
        let is_reader = asked.map_err(TransactionFailed)?;
        match AnsiTransactionManager::commit_transaction(connection) {
            // A reader has written nothing, so nothing is in doubt.
            Err(error) if is_reader => Err(Box::new(TransactionFailed(error))),
            ended => Ok(ended?),
        }
    }

    /// Rolls back the transaction with all open savepoints.
    fn abort(&self, connection: &mut PgConnection) -> Result<(), BoxError> {
        Ok(roll_back(connection)?)
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        if error.is::<ReadOnlyServer>() || error.is::<ConnectError>() {
            return Fault::Disconnected;
        }
        if let Some(TransactionFailed(error)) = error.downcast_ref() {
            return match fault(error) {
                Fault::Disconnected => Fault::LostBeforeCommit,
                fault => fault,
            };
        }
        error.downcast_ref().map_or(Fault::Other, fault)
    }

    /// Returns whether no transaction is open.
    fn is_reusable(&self, connection: &mut PgConnection) -> bool {
        is_outside(connection)
    }
}

fn begin_sql(isolation: Isolation, begin: Begin) -> String {
    let (isolation, mode) = match begin.access {
        Access::Read => (Isolation::RepeatableRead, " READ ONLY"),
        Access::Write => (isolation, ""),
    };
    let mut sql = format!("BEGIN ISOLATION LEVEL {}{mode}", isolation.sql());
    if let Some(deadline) = begin.deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = left.as_millis().clamp(1, i32::MAX as u128);
        let _ = write!(sql, "; SET LOCAL statement_timeout = {millis}");
    }
    if begin.access == Access::Write {
        sql.push_str("; ");
        sql.push_str(IS_WRITABLE);
    }
    sql
}

fn is_not_writable(error: &Error, access: Access) -> bool {
    match error {
        Error::DatabaseError(_, information) => {
            access == Access::Write && information.message() == NOT_WRITABLE
        }
        _ => false,
    }
}

fn is_lost(error: &Error) -> bool {
    fault(error) == Fault::Disconnected
}

fn fault(error: &Error) -> Fault {
    use DatabaseErrorKind as Kind;
    match error {
        Error::DatabaseError(Kind::SerializationFailure, _) => Fault::Conflict,
        // The transaction began as a reader; the request has to be published as a writer.
        Error::DatabaseError(Kind::ReadOnlyTransaction, _) => Fault::Conflict,
        Error::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, _)
        | Error::BrokenTransactionManager => Fault::Disconnected,
        Error::DatabaseError(Kind::Unknown, information) => by_message(information.message()),
        // diesel does not report either of them as the source of this error.
        Error::RollbackErrorOnCommit { commit_error, .. } => fault(commit_error),
        _ => Fault::Other,
    }
}

/// Classifies an error by PostgreSQL's text, because diesel passes on the code only for a few
/// errors.
fn by_message(message: &str) -> Fault {
    if message.ends_with("No space left on device") {
        return Fault::Full;
    }
    const TEXTS: [(&str, Fault); 8] = [
        ("deadlock detected", Fault::Conflict),
        (
            "canceling statement due to statement timeout",
            Fault::Elapsed,
        ),
        ("canceling statement due to user request", Fault::Elapsed),
        // diesel keeps a prepared statement as long as its connection, so the connection is
        // dropped.
        (
            "cached plan must not change result type",
            Fault::Disconnected,
        ),
        ("prepared statement \"", Fault::Disconnected),
        ("terminating connection due to", Fault::Disconnected),
        (
            "server closed the connection unexpectedly",
            Fault::Disconnected,
        ),
        ("no connection to the server", Fault::Disconnected),
    ];
    by_start(message, &TEXTS)
}
