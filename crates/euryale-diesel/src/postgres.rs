//! PostgreSQL through libpq, with the feature `postgres`.

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
    /// Each statement sees all data that was committed before it. A publisher that reads a value
    /// and writes it back loses the changes that others made in between.
    ReadCommitted,
    /// All statements see the same state. A write to a row that another transaction has changed
    /// since is a conflict, and the request is published again.
    RepeatableRead,
    /// The result is the same as if the transactions had run one after the other.
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

/// A PostgreSQL database, accessed through diesel.
///
/// Its connections are diesel's own [`PgConnection`]. Clones share the settings.
#[derive(Clone)]
#[must_use]
pub struct Postgres {
    /// The URL may contain a password, so it is never shown.
    url: String,
    isolation: Isolation,
    on_connect: Vec<Hook>,
    book: Arc<DieselBook>,
}

impl Postgres {
    /// Opens the database at `url`, which is in libpq's format
    /// (<https://www.postgresql.org/docs/15/libpq-connect.html>) and may, for example, name several
    /// hosts with `target_session_attrs=read-write`. libpq's environment variables and password
    /// file apply.
    ///
    /// Connects once, so that a wrong password or name is reported before the program serves.
    /// Blocks.
    ///
    /// # Errors
    /// No server can be reached, or it refuses the connection. The message is one line with libpq's
    /// text.
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

    /// Sets the isolation of writers. Default: [`Isolation::RepeatableRead`]. Transactions that
    /// only read are always `REPEATABLE READ`.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Runs `hook` on each new connection, after earlier hooks. If it fails, the connection is not
    /// used. Its settings apply to all transactions of the connection.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut PgConnection) -> QueryResult<()> + Send + Sync + 'static,
    {
        self.on_connect.push(Arc::new(hook));
        self
    }

    /// Counts in the [`DieselBook`] of this ledger. Pass the pool's ledger, so that `/metrics`
    /// shows the counters.
    pub fn ledger(mut self, ledger: &Ledger) -> Self {
        self.book = ledger.of();
        self
    }

    /// Opens a connection with all hooks outside the pool, for example for migrations at the start.
    /// Blocks.
    ///
    /// # Errors
    /// No server accepts the connection, or a hook fails.
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
