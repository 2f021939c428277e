//! The errors of this crate. SQLite's own errors are those of diesel.

use std::error::Error;
use std::fmt;

/// The database cannot be opened. The message is one line: which file, what is wrong, what to do.
#[derive(Debug)]
pub struct OpenError {
    path: String,
    problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    Connection(diesel::ConnectionError),
    /// The file has this journal mode instead of WAL.
    NotWal(String),
    /// A setting or a hook of the program failed.
    Setting(diesel::result::Error),
}

impl OpenError {
    pub(crate) fn new(path: &str, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem } = self;
        match problem {
            Problem::Connection(_) => write!(
                f,
                "database {path}: cannot be opened; its folder must exist and be writable"
            ),
            Problem::NotWal(mode) => write!(
                f,
                "database {path}: is in journal mode {mode}, WAL is refused; it needs a file on a \
                 local disk"
            ),
            Problem::Setting(_) => write!(
                f,
                "database {path}: a setting or an on_connect hook failed; is it a database of \
                 SQLite?"
            ),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Connection(error) => Some(error),
            Problem::Setting(error) => Some(error),
            Problem::NotWal(_) => None,
        }
    }
}

/// The transaction's deadline ended its wait for another writer. Nothing was begun.
#[derive(Debug)]
pub struct DeadlinePassed;

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction's deadline passed while it waited for another writer")
    }
}

impl Error for DeadlinePassed {}

/// A transaction that the publisher began itself was still open at the commit. Nothing was
/// committed.
#[derive(Debug)]
pub struct TransactionLeftOpen;

impl fmt::Display for TransactionLeftOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the publisher left a transaction of its own open; end it, or use \
             `connection.transaction(..)`; nothing was committed",
        )
    }
}

impl Error for TransactionLeftOpen {}
