mod conflict;
mod interrupt;
mod open;
mod schema;
mod snapshot;
mod transaction;
mod written;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::transaction::{
    Access, Attempt, DropReason, Fault, History, Lease, LeaseSource, Outcome, Switch,
    TransactionOptions,
};
use euryale_core::{Abort, BoxError, Database, Error, Ledger, Transaction};
use tempfile::TempDir;

use crate::{Connection, Sqlite};

const SCHEMA: &str = "CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO counter VALUES (1, 0);";

/// Creates a database in its own folder, with a counter at 0.
fn counter() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(folder.path().join("site.db"))
        .unwrap()
        .busy_timeout(Duration::ZERO);
    assert_eq!(sqlite.migrate(&[SCHEMA]).unwrap(), 1);
    (folder, sqlite)
}

fn value(connection: &rusqlite::Connection) -> i64 {
    let mut select = connection
        .prepare_cached("SELECT value FROM counter WHERE id = 1")
        .unwrap();
    select.query_row([], |row| row.get(0)).unwrap()
}

fn increment(connection: &rusqlite::Connection) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE counter SET value = value + 1 WHERE id = 1")?
        .execute([])
}

fn increment_and_commit(sqlite: &Sqlite, connection: &mut Connection) {
    sqlite.begin(connection, Access::Write.into()).unwrap();
    increment(connection).unwrap();
    sqlite.commit(connection).unwrap();
}

fn extended_code(error: &(dyn StdError + 'static)) -> i32 {
    let error: &rusqlite::Error = error.downcast_ref().unwrap();
    error.sqlite_error().unwrap().extended_code
}

/// A pool of one connection.
struct Worker {
    sqlite: Sqlite,
    ledger: Ledger,
    connection: Option<Connection>,
    source: Source,
}

struct Source {
    sqlite: Sqlite,
    ledger: Ledger,
    opened: u32,
    discarded: Vec<DropReason>,
    switch: Arc<Switch>,
    deadline: Option<Instant>,
}

impl Worker {
    fn new(sqlite: &Sqlite) -> Self {
        let ledger = Ledger::new();
        Self {
            sqlite: sqlite.clone(),
            ledger: ledger.clone(),
            connection: None,
            source: Source {
                sqlite: sqlite.clone(),
                ledger,
                opened: 0,
                discarded: Vec::new(),
                switch: Arc::default(),
                deadline: None,
            },
        }
    }

    /// Runs one transaction, and checks that it leaves nothing open.
    fn run<T>(
        &mut self,
        access: Access,
        f: impl FnOnce(&mut Transaction<'_, Sqlite>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        self.run_with(
            TransactionOptions::new(Attempt::new(History::default()), access),
            f,
        )
    }

    fn run_with<T>(
        &mut self,
        options: TransactionOptions,
        f: impl FnOnce(&mut Transaction<'_, Sqlite>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        let mut lease = Lease::new(&mut self.source, &mut self.connection);
        let result = Transaction::run(&mut lease, options, f);
        assert_eq!(self.ledger.unsettled(), [""; 0]);
        if let Some(connection) = &mut self.connection {
            assert!(self.sqlite.is_reusable(connection));
        }
        result
    }
}

impl LeaseSource<Sqlite> for Source {
    fn database(&self) -> &Sqlite {
        &self.sqlite
    }

    fn checkout(&mut self) -> Result<Connection, BoxError> {
        self.opened += 1;
        self.sqlite.connect()
    }

    fn discard(&mut self, connection: Connection, reason: DropReason) {
        drop(connection);
        self.discarded.push(reason);
    }

    fn switch(&self) -> Option<&Switch> {
        Some(&self.switch)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn client_is_gone(&self) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
