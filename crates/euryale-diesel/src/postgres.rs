//! PostgreSQL, through libpq. With the feature `postgres`.

mod database;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use diesel::{Connection, PgConnection, QueryResult};
use euryale_core::Ledger;

pub use self::error::{ConnectError, ReadOnlyServer, TransactionFailed};
use crate::DieselBook;

type Hook = Arc<dyn Fn(&mut PgConnection) -> QueryResult<()> + Send + Sync>;

/// How writers are isolated from each other
/// (<https://www.postgresql.org/docs/15/transaction-iso.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it. A publisher that reads a value and writes
    /// it back changed loses the changes of others in between.
    ReadCommitted,
    /// All statements see one state. A write to a row that was changed since is a conflict, and the
    /// request is published again.
    RepeatableRead,
    /// The transactions could have run one after the other.
    Serializable,
}

impl Isolation {
    fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// A database of PostgreSQL, opened with diesel.
///
/// Its connections are diesel's own [`PgConnection`]. Clones share the settings.
#[derive(Clone)]
#[must_use]
pub struct Postgres {
    /// May have a password, so it is never shown.
    url: String,
    isolation: Isolation,
    on_connect: Vec<Hook>,
    book: Arc<DieselBook>,
}

impl Postgres {
    /// The database at `url`, which libpq reads, with its variables and its password file
    /// (<https://www.postgresql.org/docs/15/libpq-connect.html>): several hosts with
    /// `target_session_attrs=read-write`, for example.
    ///
    /// Connects once, so that a wrong password or name is reported before a program serves. Blocks.
    ///
    /// # Errors
    /// One line with libpq's words: no server can be reached, or it refuses.
    pub fn open(url: impl Into<String>) -> Result<Self, ConnectError> {
        let database = Self {
            url: url.into(),
            isolation: Isolation::RepeatableRead,
            on_connect: Vec::new(),
            book: Arc::default(),
        };
        database.establish()?;
        Ok(database)
    }

    /// How writers are isolated. Default: [`Isolation::RepeatableRead`]. Transactions that only
    /// read are always `REPEATABLE READ`.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Runs `hook` on each new connection, after earlier hooks. If it fails, the connection is not
    /// used. What it sets stays set for all transactions of the connection.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut PgConnection) -> QueryResult<()> + Send + Sync + 'static,
    {
        self.on_connect.push(Arc::new(hook));
        self
    }

    /// Counts in this ledger: the [`DieselBook`]. Give it the pool's, so that `/metrics` shows it.
    pub fn ledger(mut self, ledger: &Ledger) -> Self {
        self.book = ledger.of();
        self
    }

    /// Opens a connection with all hooks, outside of the pool: for migrations at a start. It
    /// blocks.
    ///
    /// # Errors
    /// When no server accepts the connection, or a hook fails.
    pub fn establish(&self) -> Result<PgConnection, ConnectError> {
        let connected = PgConnection::establish(&self.url);
        let mut connection = connected.map_err(ConnectError::refused)?;
        for hook in &self.on_connect {
            hook(&mut connection).map_err(ConnectError::hook)?;
        }
        self.book.opened.add(1);
        Ok(connection)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("isolation", &self.isolation)
            .field("on_connect", &self.on_connect.len())
            .finish_non_exhaustive()
    }
}
