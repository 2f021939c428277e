//! The errors of this crate. SQLite's own errors are [`rusqlite::Error`].

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;

/// The database cannot be opened. The message is one line: which file, what is wrong, what to do.
/// SQLite's own error is the source.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    /// A name that means something other than a file to SQLite.
    NotAFile,
    /// The path does not lead to a file.
    Unreachable(io::Error),
    /// The file can be read, but not written.
    ReadOnly,
    /// The file has this journal mode.
    NotWal(String),
    /// A hook of the program left a transaction open.
    LeftOpen,
    /// SQLite returned an error.
    Sqlite(rusqlite::Error),
}

impl OpenError {
    pub(crate) fn new(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {}: {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            Self::NotAFile => {
                return f.write_str("is not a file's path; connections can share nothing else");
            }
            Self::Unreachable(_) => {
                return f.write_str("cannot be reached; was the file moved or removed?");
            }
            Self::ReadOnly => {
                return f
                    .write_str("cannot be written; check the owner of the file and its folder");
            }
            Self::NotWal(mode) => {
                return write!(
                    f,
                    "is in journal mode {mode}, WAL is refused; it needs a local disk, without \
                        other users"
                );
            }
            Self::LeftOpen => {
                return f.write_str("an on_connect hook left a transaction open; end it there");
            }
            Self::Sqlite(error) => error,
        };
        f.write_str(match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => {
                "cannot be opened; its folder must exist and be writable"
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "cannot be written; check the owner of the file and its folder"
            }
            Some(ErrorCode::NotADatabase) => {
                "is not an SQLite database; move the file away or name another"
            }
            Some(ErrorCode::DatabaseCorrupt) => "is damaged; restore a backup",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "is locked by another program; stop that one, or try again"
            }
            Some(ErrorCode::DiskFull) => "cannot grow, the disk is full; make room",
            _ => "cannot be opened",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Unreachable(error) => Some(error),
            Problem::Sqlite(error) => Some(error),
            Problem::NotAFile | Problem::ReadOnly | Problem::NotWal(_) | Problem::LeftOpen => None,
        }
    }
}

/// The file at the database's path is not the one that the connection has open, because that was
/// moved, removed or replaced.
///
/// Nothing was read or written. The connection is dropped, and the next one opens the file that is
/// then at the path.
#[derive(Debug)]
pub struct FileReplaced {
    path: PathBuf,
}

impl FileReplaced {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

impl fmt::Display for FileReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "database {}: the file was moved, removed or replaced while it was open",
            self.path.display()
        )
    }
}

impl Error for FileReplaced {}

/// The transaction had ended before its commit. Nothing of the publication is in the database.
///
/// Either the publisher ran `COMMIT` or `ROLLBACK` itself, or SQLite rolled back because of an
/// error and the publisher did not pass that error on.
#[derive(Debug)]
pub struct TransactionEnded;

impl fmt::Display for TransactionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the transaction ended before its commit: the publisher ran COMMIT or ROLLBACK, \
             or ignored an error after which SQLite rolls back; nothing was committed",
        )
    }
}

impl Error for TransactionEnded {}
