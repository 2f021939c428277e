//! The errors of this module. The server's own errors are those of diesel.

use std::error::Error;
use std::fmt;

/// No connection could be opened. The message is one line: libpq's text, and what to do.
#[derive(Debug)]
pub struct ConnectError(Problem);

#[derive(Debug)]
enum Problem {
    Refused(diesel::ConnectionError),
    Hook(diesel::result::Error),
}

impl ConnectError {
    pub(super) fn refused(error: diesel::ConnectionError) -> Self {
        Self(Problem::Refused(error))
    }

    pub(super) fn hook(error: diesel::result::Error) -> Self {
        Self(Problem::Hook(error))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Refused(error) => {
                // libpq returns a line for each server that it tried.
                let text = error.to_string();
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                write!(
                    f,
                    "PostgreSQL: {}; correct the URL, the PG* variables or .pgpass, or start the \
                     server",
                    lines.join("; ")
                )
            }
            Problem::Hook(error) => write!(f, "PostgreSQL: an on_connect hook failed: {error}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Problem::Refused(error) => Some(error),
            Problem::Hook(error) => Some(error),
        }
    }
}

/// A writer found its server read-only, twice: the second time on a new connection. Nothing was
/// begun.
#[derive(Debug)]
pub struct ReadOnlyServer;

impl fmt::Display for ReadOnlyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "PostgreSQL: the server is read-only; name all servers in the URL, with \
             target_session_attrs=read-write",
        )
    }
}

impl Error for ReadOnlyServer {}

/// Nothing was committed: a statement had failed whose error the publisher ignored, the publisher
/// ended the transaction itself, or the connection was lost before the commit was sent.
#[derive(Debug)]
pub struct TransactionFailed(pub(super) diesel::result::Error);

impl fmt::Display for TransactionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "PostgreSQL: nothing was committed, because the transaction had failed or ended before \
             its commit; pass the errors of statements on, and do not run COMMIT or ROLLBACK",
        )
    }
}

impl Error for TransactionFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
