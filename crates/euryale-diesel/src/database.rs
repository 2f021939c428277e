//! Begins and ends transactions, and classifies diesel's errors.

use std::error::Error as StdError;
use std::time::Instant;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{QueryResult, SqliteConnection};
use euryale_core::transaction::{Access, Begin, Fault};
use euryale_core::{BoxError, Database};

use crate::depth::{check_outermost, is_outside, roll_back};
use crate::message::by_start;
use crate::sqlite::wait;
use crate::{DeadlinePassed, Sqlite};

const BEGIN_READ: &str = "BEGIN";
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

impl Database for Sqlite {
    type Connection = SqliteConnection;

    /// Opens a connection and sets it up. Fails with [`OpenError`](crate::OpenError).
    fn connect(&self) -> Result<SqliteConnection, BoxError> {
        Ok(self.establish()?)
    }

    /// Begins a transaction. Fails with [`DeadlinePassed`] or diesel's error; no transaction is
    /// open then.
    fn begin(&self, connection: &mut SqliteConnection, begin: Begin) -> Result<(), BoxError> {
        let configured = self.configured_busy_timeout();
        let left = begin
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let bounded = left.filter(|left| *left < configured);
        if let Some(left) = bounded {
            wait(connection, left)?;
        }
        let begun = start(connection, begin.access);
        if bounded.is_some() {
            // The transaction now has the lock, and later jobs have other deadlines.
            wait(connection, configured)?;
        }
        match begun {
            Err(error) if fault(&error) == Fault::Conflict => {
                self.book().not_begun.add(1);
                match bounded {
                    Some(_) => Err(Box::new(DeadlinePassed)),
                    None => Err(error.into()),
                }
            }
            begun => Ok(begun?),
        }
    }

    /// Commits. Fails with [`TransactionLeftOpen`](crate::TransactionLeftOpen) or diesel's error;
    /// diesel has then rolled back.
    fn commit(&self, connection: &mut SqliteConnection) -> Result<(), BoxError> {
        check_outermost(connection)?;
        Ok(AnsiTransactionManager::commit_transaction(connection)?)
    }

    /// Rolls back the transaction with all open savepoints.
    fn abort(&self, connection: &mut SqliteConnection) -> Result<(), BoxError> {
        Ok(roll_back(connection)?)
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        if error.is::<DeadlinePassed>() {
            return Fault::Elapsed;
        }
        error.downcast_ref().map_or(Fault::Other, fault)
    }

    /// Returns whether no transaction is open.
    fn is_reusable(&self, connection: &mut SqliteConnection) -> bool {
        is_outside(connection)
    }
}

fn start(connection: &mut SqliteConnection, access: Access) -> QueryResult<()> {
    let sql = match access {
        Access::Read => BEGIN_READ,
        Access::Write => BEGIN_WRITE,
    };
    AnsiTransactionManager::begin_transaction_sql(connection, sql)
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Fault::Conflict,
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _)
        | Error::BrokenTransactionManager => Fault::Disconnected,
        Error::DatabaseError(_, information) => by_message(information.message()),
        // diesel does not report either of them as the source of this error.
        Error::RollbackErrorOnCommit { commit_error, .. } => fault(commit_error),
        _ => Fault::Other,
    }
}

/// Classifies an error by the text of `sqlite3ErrStr`, because diesel does not pass on the code.
/// Some texts are followed by a name.
fn by_message(message: &str) -> Fault {
    const TEXTS: [(&str, Fault); 8] = [
        ("database is locked", Fault::Conflict),
        ("database table is locked", Fault::Conflict),
        ("interrupted", Fault::Elapsed),
        ("database or disk is full", Fault::Full),
        ("disk I/O error", Fault::Disconnected),
        ("unable to open database file", Fault::Disconnected),
        ("file is not a database", Fault::Disconnected),
        ("database disk image is malformed", Fault::Disconnected),
    ];
    by_start(message, &TEXTS)
}
