//! The failures of a connection, and their classification.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use euryale_core::transaction::Fault;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::sqlstate::{self, Answer, Situation};
use crate::wire::Failure;

/// A statement failed, or its connection did.
///
/// Its fault depends on what the connection did at the time: the same SQLSTATE is a conflict in a
/// reader and the loss of the server's role in a writer. tokio-postgres' own error is the source.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    fault: Fault,
}

#[derive(Debug)]
enum Kind {
    Client(tokio_postgres::Error),
    Unanswered,
    NotSent,
    Stopped,
}

impl Error {
    pub(crate) fn new(failure: Failure, at: Situation) -> Self {
        match failure {
            Failure::Unanswered => Self {
                kind: Kind::Unanswered,
                fault: at.lost(),
            },
            Failure::Stopped => Self {
                kind: Kind::Stopped,
                fault: Fault::Elapsed,
            },
            Failure::Failed { error, has_ended } => Self {
                fault: fault_at(&error, has_ended, at),
                kind: Kind::Client(error),
            },
        }
    }

    /// A value is not of the type that was expected.
    pub(crate) fn unreadable(error: tokio_postgres::Error) -> Self {
        Self {
            kind: Kind::Client(error),
            fault: Fault::Other,
        }
    }

    /// The connection had ended before `COMMIT` was sent.
    pub(crate) fn not_sent() -> Self {
        Self {
            kind: Kind::NotSent,
            fault: Fault::LostBeforeCommit,
        }
    }

    /// A reader has written nothing, so a lost answer to its `COMMIT` leaves nothing in doubt.
    pub(crate) fn of_reader(mut self) -> Self {
        if self.fault == Fault::Disconnected {
            self.fault = Fault::LostBeforeCommit;
        }
        self
    }

    /// Returns the server's code, if the server has answered.
    pub fn code(&self) -> Option<&SqlState> {
        self.as_db_error().map(DbError::code)
    }

    /// Returns the server's answer: message, detail, table, column and constraint.
    pub fn as_db_error(&self) -> Option<&DbError> {
        match &self.kind {
            Kind::Client(error) => error.as_db_error(),
            Kind::Unanswered | Kind::NotSent | Kind::Stopped => None,
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault
    }

    pub(crate) fn answer(&self) -> Option<Answer<'_>> {
        self.as_db_error().map(answer_of)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Client(error) => match error.as_db_error() {
                // Its detail may show what is in a row.
                Some(answer) => {
                    let code = answer.code().code();
                    write!(f, "PostgreSQL: {} ({code})", answer.message())?;
                    if self.fault == Fault::Full {
                        f.write_str("; free space on the server's disk")?;
                    }
                    Ok(())
                }
                None => write!(f, "PostgreSQL: {error}"),
            },
            Kind::Unanswered => {
                f.write_str("PostgreSQL: the server does not answer; the connection is dropped")
            }
            Kind::NotSent => f.write_str(
                "PostgreSQL: the connection was lost before the commit was sent; nothing was \
                    committed",
            ),
            Kind::Stopped => f.write_str(
                "PostgreSQL: the statement was not sent, because its transaction was stopped",
            ),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            Kind::Client(error) => Some(error),
            Kind::Unanswered | Kind::NotSent | Kind::Stopped => None,
        }
    }
}

/// Classifies an error of tokio-postgres without knowledge of its transaction.
pub(crate) fn fault_of(error: &tokio_postgres::Error) -> Fault {
    let at = Situation {
        access: euryale_core::transaction::Access::Write,
        committing: false,
        bounds_locks: false,
    };
    fault_at(error, is_lost(error), at)
}

fn fault_at(error: &tokio_postgres::Error, has_ended: bool, at: Situation) -> Fault {
    match error.as_db_error() {
        Some(answer) => sqlstate::fault(answer_of(answer), at),
        // Without an answer, it is unknown what the server did with a commit.
        None if has_ended || at.committing => at.lost(),
        None => Fault::Other,
    }
}

fn answer_of(error: &DbError) -> Answer<'_> {
    Answer {
        code: error.code().code(),
        ends_session: matches!(
            error.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        ),
        table: error.table(),
        routine: error.routine(),
    }
}

/// Returns whether the socket has ended. Two other errors have no answer either, but leave the
/// connection intact: a parameter of the wrong type, and a text with a NUL byte, whose source is an
/// `io::Error` of the kind `InvalidInput`.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    error.is_closed() || io.is_some_and(|io| io.kind() != io::ErrorKind::InvalidInput)
}

/// The transaction had ended before its commit. Nothing of the publication is in the database,
/// except for changes that the publisher itself committed.
///
/// Either a statement failed and the publisher did not pass its error on, or the publisher ran
/// `COMMIT` or `ROLLBACK` itself.
#[derive(Debug)]
pub struct TransactionEnded(pub(crate) Option<Error>);

impl fmt::Display for TransactionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => {
                "PostgreSQL: nothing was committed, because a statement failed and the publisher \
                    ignored its error"
            }
            None => {
                "PostgreSQL: the transaction ended before its commit; a publisher must not run \
                    COMMIT or ROLLBACK"
            }
        })
    }
}

impl StdError for TransactionEnded {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}
