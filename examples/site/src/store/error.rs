//! Errors of the database.

use std::error::Error as StdError;
use std::fmt;

use euryale_sqlite::rusqlite::{self, ErrorCode};

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A statement failed. The message is the engine's.
#[derive(Debug)]
pub(crate) enum Error {
    Sqlite(rusqlite::Error),
    #[cfg(feature = "postgres")]
    Postgres(euryale_postgres::Error),
    /// A column of PostgreSQL has another type than expected.
    #[cfg(feature = "postgres")]
    Column(euryale_postgres::tokio_postgres::Error),
    /// A query that always has a row had none.
    NoRow,
    /// The blob of a file is gone: another transaction has replaced the file in the meantime.
    Replaced,
}

impl Error {
    /// The engine's own error.
    pub(super) fn engine(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Sqlite(error) => Some(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => Some(error),
            #[cfg(feature = "postgres")]
            Self::Column(error) => Some(error),
            Self::NoRow | Self::Replaced => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.engine(), self) {
            (Some(error), _) => fmt::Display::fmt(error, f),
            (None, Self::Replaced) => f.write_str("the file was replaced in the meantime"),
            (None, _) => f.write_str("a row that always exists is missing"),
        }
    }
}

impl StdError for Error {
    // The message is the engine's, so the next cause is the engine's, too.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.engine()?.source()
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[cfg(feature = "postgres")]
impl From<euryale_postgres::Error> for Error {
    fn from(error: euryale_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

/// Returns whether `error` means that SQLite's file is damaged.
pub(crate) fn is_damaged(error: &(dyn StdError + 'static)) -> bool {
    let of_engine = error.downcast_ref::<Error>().and_then(Error::engine);
    let code = of_engine
        .unwrap_or(error)
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || error.source().is_some_and(is_damaged)
}
