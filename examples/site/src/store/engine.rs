//! The engine: SQLite in a folder, or a PostgreSQL server.

use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

use euryale::transaction::{Begin, Doubt, Fault, Interrupt, Settled, Snapshot};
use euryale::{BoxError, Database, Ledger};
#[cfg(feature = "postgres")]
use euryale_postgres::{Isolation, Postgres};
use euryale_sqlite::Sqlite;

use super::connection::Connection;
use super::error::Error;
use super::place::Place;
use super::schema;
use crate::cli::error::StartError;

/// The file of SQLite's database in its folder.
pub(crate) const FILE: &str = "site.db";

/// How long a starting program waits for another one that fills the same database.
const PATIENCE: Duration = Duration::from_secs(10);

/// The size of the page cache of one connection, in KiB. A search that reads a large index fills
/// the cache of every connection, and a connection keeps it.
const CACHE: u32 = 2 * 1024;

/// The site's database. Only this folder distinguishes the engines.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl Engine {
    /// Opens the database. SQLite creates its file and its folder.
    ///
    /// Blocks: for the start, before anything is served.
    pub(crate) fn open(place: &Place) -> Result<Self, StartError> {
        match place {
            Place::Sqlite(folder) => Self::in_folder(folder),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                let postgres = Postgres::open(url).map_err(|error| StartError::database(&error))?;
                // Pages check a path before they write to it, and rely on the answer: SQLite has
                // one writer at a time, and with this isolation the result is the same.
                let postgres = postgres.isolation(Isolation::Serializable);
                Ok(Self::Postgres(postgres))
            }
        }
    }

    fn in_folder(folder: &Path) -> Result<Self, StartError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            StartError::new(
                format!("cannot make the folder of the database: {error}"),
                folder.display(),
                "check its parent folder, or choose another one",
            )
        })?;
        let sqlite = Sqlite::open(folder.join(FILE))
            .map_err(|error| StartError::database(&error))?
            .cache_size(CACHE);
        Ok(Self::Sqlite(sqlite))
    }

    /// Brings the schema up to date, and returns the number of steps that this took.
    pub(crate) fn migrate(&self) -> Result<usize, StartError> {
        match self {
            Self::Sqlite(sqlite) => sqlite
                .migrate(&schema::sqlite::STEPS)
                .map_err(|error| StartError::database(&error)),
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres
                .migrate(&schema::postgres::STEPS)
                .map_err(|error| StartError::database(&error)),
        }
    }

    /// The same database for a task that is not served: a writer waits longer for others.
    pub(super) fn patient(&self) -> Self {
        match self {
            Self::Sqlite(sqlite) => Self::Sqlite(sqlite.clone().busy_timeout(PATIENCE)),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self.clone(),
        }
    }

    /// The first meaning of an error and its causes.
    pub(super) fn fault(&self, error: &(dyn StdError + 'static)) -> Fault {
        let chain = std::iter::successors(Some(error), |error| (*error).source());
        let mut faults = chain.map(|error| self.classify(error));
        faults
            .find(|fault| *fault != Fault::Other)
            .unwrap_or(Fault::Other)
    }

    /// Counts in this ledger.
    pub(crate) fn ledger(self, ledger: &Ledger) -> Self {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => Self::Postgres(postgres.ledger(ledger)),
            other @ Self::Sqlite(_) => {
                let _ = ledger;
                other
            }
        }
    }

    /// One line for the log of a starting program, and whether it is a warning: whether the server
    /// has room for `processes` processes with `connections` each. None for SQLite.
    pub(crate) fn capacity(
        &self,
        connections: usize,
        processes: usize,
    ) -> Result<Option<(String, bool)>, StartError> {
        match self {
            Self::Sqlite(_) => {
                let _ = (connections, processes);
                Ok(None)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => {
                let capacity = postgres.capacity(connections, processes);
                let capacity = capacity.map_err(|error| StartError::database(&error))?;
                Ok(Some((capacity.to_string(), !capacity.suffices())))
            }
        }
    }
}

/// The error of a pool that serves one engine and was given a connection of another. There is one
/// pool, so this cannot happen.
#[cfg(feature = "postgres")]
fn mixed() -> BoxError {
    "this connection belongs to another database".into()
}

/// Calls a method of the engine with its own connection.
macro_rules! on_engine {
    ($self:expr, $connection:expr, $otherwise:expr, |$engine:ident, $own:ident| $call:expr) => {
        match ($self, $connection) {
            (Engine::Sqlite($engine), Connection::Sqlite($own)) => $call,
            #[cfg(feature = "postgres")]
            (Engine::Postgres($engine), Connection::Postgres($own)) => $call,
            #[cfg(feature = "postgres")]
            _ => $otherwise,
        }
    };
}

impl Database for Engine {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, BoxError> {
        match self {
            Self::Sqlite(sqlite) => Ok(Connection::Sqlite(Box::new(sqlite.connect()?))),
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => Ok(Connection::Postgres(Box::new(postgres.connect()?))),
        }
    }

    fn begin(&self, connection: &mut Connection, begin: Begin) -> Result<(), BoxError> {
        on_engine!(self, connection, Err(mixed()), |engine, own| engine
            .begin(own, begin))
    }

    fn commit(&self, connection: &mut Connection) -> Result<(), BoxError> {
        on_engine!(self, connection, Err(mixed()), |engine, own| engine
            .commit(own))
    }

    fn abort(&self, connection: &mut Connection) -> Result<(), BoxError> {
        on_engine!(self, connection, Err(mixed()), |engine, own| engine
            .abort(own))
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        let error = match error.downcast_ref() {
            Some(Error::Replaced) => return Fault::Conflict,
            Some(error) => error.engine().unwrap_or(error),
            None => error,
        };
        match self {
            Self::Sqlite(sqlite) => sqlite.classify(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.classify(error),
        }
    }

    fn snapshot(&self, connection: &mut Connection) -> Result<Option<Snapshot>, BoxError> {
        on_engine!(self, connection, Ok(None), |engine, own| engine
            .snapshot(own))
    }

    fn begin_at(
        &self,
        connection: &mut Connection,
        begin: Begin,
        snapshot: &Snapshot,
    ) -> Result<bool, BoxError> {
        on_engine!(self, connection, Ok(false), |engine, own| {
            engine.begin_at(own, begin, snapshot)
        })
    }

    fn doubt(&self, connection: &mut Connection) -> Option<Doubt> {
        on_engine!(self, connection, None, |engine, own| engine.doubt(own))
    }

    fn settle(&self, connection: &mut Connection, doubt: &Doubt) -> Result<Settled, BoxError> {
        on_engine!(self, connection, Err(mixed()), |engine, own| {
            Database::settle(engine, own, doubt)
        })
    }

    fn interrupt<'c>(&self, connection: &'c Connection) -> Option<&'c Interrupt> {
        on_engine!(self, connection, None, |engine, own| engine.interrupt(own))
    }

    fn is_reusable(&self, connection: &mut Connection) -> bool {
        on_engine!(self, connection, false, |engine, own| engine
            .is_reusable(own))
    }

    fn warmth(&self, connection: &Connection) -> u64 {
        on_engine!(self, connection, 0, |engine, own| engine.warmth(own))
    }
}
