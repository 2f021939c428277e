//! The settings of a SQLite database, and the opening of connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryResult, RunQueryDsl, SqliteConnection};
use euryale_core::Ledger;

use crate::error::Problem;
use crate::{DieselBook, OpenError};

type Hook = Arc<dyn Fn(&mut SqliteConnection) -> QueryResult<()> + Send + Sync>;

/// A SQLite file, accessed through diesel.
///
/// Its connections are in WAL mode, check foreign keys, and wait for other writers. Clones share
/// the settings.
#[derive(Clone)]
#[must_use]
pub struct Sqlite {
    path: String,
    busy_timeout: Duration,
    on_connect: Vec<Hook>,
    book: Arc<DieselBook>,
}

impl Sqlite {
    /// Opens the file, creates it if it does not exist, and switches it to WAL mode.
    ///
    /// # Errors
    /// The file cannot be opened or switched to WAL mode. This includes a database in memory, which
    /// connections could not share.
    pub fn open(path: impl Into<String>) -> Result<Self, OpenError> {
        let database = Self {
            path: path.into(),
            busy_timeout: Duration::from_secs(5),
            on_connect: Vec::new(),
            book: Arc::default(),
        };
        database.establish()?;
        Ok(database)
    }

    /// The maximum time that a transaction waits for another writer before it fails with a
    /// conflict. Default: 5 s, and never beyond the transaction's own deadline.
    ///
    /// A waiting transaction holds its worker. The time is rounded down to milliseconds; zero means
    /// not to wait.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        // SQLite counts milliseconds in an `int`.
        self.busy_timeout = timeout.min(Duration::from_millis(i32::MAX as u64));
        self
    }

    /// Runs `hook` on each new connection, after the settings of this crate and after earlier
    /// hooks: for pragmas, SQL functions and attached files. If it fails, the connection is not
    /// used.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut SqliteConnection) -> QueryResult<()> + Send + Sync + 'static,
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

    /// Returns the path of the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn book(&self) -> &DieselBook {
        &self.book
    }

    pub(crate) fn configured_busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// Opens a connection with all settings outside the pool, for example for migrations at the
    /// start. Blocks.
    ///
    /// # Errors
    /// The file cannot be opened, or a setting or a hook fails.
    pub fn establish(&self) -> Result<SqliteConnection, OpenError> {
        let error = |problem| OpenError::new(&self.path, problem);
        let mut connection = SqliteConnection::establish(&self.path)
            .map_err(|source| error(Problem::Connection(source)))?;
        let mode = self
            .set_up(&mut connection)
            .map_err(|source| error(Problem::Setting(source)))?;
        if mode != "wal" {
            return Err(error(Problem::NotWal(mode)));
        }
        for hook in &self.on_connect {
            hook(&mut connection).map_err(|source| error(Problem::Setting(source)))?;
        }
        self.book.opened.add(1);
        Ok(connection)
    }

    /// Applies the settings to a connection. Returns the journal mode.
    fn set_up(&self, connection: &mut SqliteConnection) -> QueryResult<String> {
        wait(connection, self.busy_timeout)?;
        let mode = diesel::dsl::sql::<Text>("PRAGMA journal_mode = WAL").get_result(connection)?;
        connection.batch_execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL")?;
        Ok(mode)
    }
}

/// Sets how long the connection waits for locks.
pub(crate) fn wait(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", timeout.as_millis()))
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .field("busy_timeout", &self.busy_timeout)
            .field("on_connect", &self.on_connect.len())
            .finish()
    }
}
