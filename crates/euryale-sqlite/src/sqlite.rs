//! The settings of a database, and the opening of its connections.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OpenFlags, Transaction, TransactionBehavior};

use crate::Connection;
use crate::connection::OWN_STATEMENTS;
use crate::error::{OpenError, Problem};
use crate::file::FileId;
use crate::turn::Turns;

/// The maximum time that a starting program waits for another one that has locked the file.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The journal mode, as SQLite spells it in its answer.
const WAL: &str = "wal";

type OnConnect = dyn Fn(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync;

/// An SQLite file in WAL mode, as the database behind a pool.
///
/// Settings apply to connections that are opened later. Foreign keys are enforced on every
/// connection.
#[doc(alias = "FileStorage")]
#[doc(alias = "RelStorage")]
#[derive(Clone)]
#[must_use]
pub struct Sqlite {
    path: PathBuf,
    busy_timeout: Duration,
    cache_kib: u32,
    statements: usize,
    synchronous: Synchronous,
    on_connect: Vec<Arc<OnConnect>>,
    turns: Turns,
    keeps_writes: bool,
}

/// The data that has reached the disk when a commit returns, which is what a response after the
/// commit guarantees (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// The transaction is on the disk, and survives a power failure. Costs one `fsync` per commit.
    #[default]
    Full,
    /// Nothing may be on the disk yet. The transaction survives the end of the process, even if it
    /// is killed. A power failure or a kernel crash may undo the last commits, but never a part of
    /// one. Use this for data that can be recreated.
    Normal,
}

impl Sqlite {
    /// Opens the database in the file at `path`, which is created if it does not exist. A relative
    /// path is resolved against the current directory. Blocks; if another program has locked the
    /// file, for at most 10 s.
    ///
    /// A new file is switched to WAL mode. An existing file is only checked and not changed:
    /// [`migrate`](Self::migrate), which checks the version first, or the first connection switches
    /// it.
    ///
    /// # Errors
    /// The file cannot be created, read or written, or is not a database. In-memory databases
    /// (`:memory:`) and `file:` URIs are refused, because connections could not share them in WAL
    /// mode.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = absolute(path.as_ref())?;
        let raw = open_file(&path, OpenFlags::SQLITE_OPEN_CREATE)?;
        let is_new =
            is_empty(&raw).map_err(|error| OpenError::new(&path, Problem::Sqlite(error)))?;
        if is_new {
            ensure_wal(&raw, &path)?;
        }
        Ok(Self {
            path,
            busy_timeout: Duration::from_millis(100),
            cache_kib: 8 * 1024,
            statements: 64,
            synchronous: Synchronous::default(),
            on_connect: Vec::new(),
            turns: Turns::default(),
            keeps_writes: false,
        })
    }

    /// The maximum time that a writer waits for another writer before it fails with a conflict.
    /// Default: 100 ms.
    ///
    /// The default is short because a waiting writer holds its worker and its connection; the pause
    /// after a conflict holds neither. The writers of this value and its clones take turns, first
    /// come first served: the next one is woken when the one before it has ended. For writers of
    /// other processes SQLite polls for up to the same time again, with pauses of up to 100 ms
    /// (<https://www.sqlite.org/c3ref/busy_timeout.html>). SQLite counts in whole milliseconds;
    /// zero means not to wait.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        // SQLite counts milliseconds in an `int`.
        self.busy_timeout = timeout.min(Duration::from_millis(i32::MAX as u64));
        self
    }

    /// The memory for cached pages of the file, **per connection**, in KiB. Default: 8192 (8 MiB);
    /// SQLite's own default is 2000 (<https://www.sqlite.org/pragma.html#pragma_cache_size>).
    pub fn cache_size(mut self, kib: u32) -> Self {
        self.cache_kib = kib.min(i32::MAX as u32);
        self
    }

    /// The maximum number of prepared statements that a connection keeps for
    /// [`prepare_cached`](rusqlite::Connection::prepare_cached). The least recently used one is
    /// dropped first. Default: 64.
    pub fn statement_cache(mut self, statements: usize) -> Self {
        self.statements = statements;
        self
    }

    /// Sets which data has reached the disk when a commit returns. Default: [`Synchronous::Full`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Records the rows that each transaction writes, for [`Connection::write_set`], at the cost of
    /// a lock and a map lookup for each row. It uses the connection's update hook. Default: off.
    pub fn write_sets(mut self) -> Self {
        self.keeps_writes = true;
        self
    }

    /// Runs `hook` on each new connection, after the settings above and after earlier hooks. Use it
    /// for more pragmas, SQL functions, collations and attached files.
    ///
    /// The hook must leave WAL mode on and no transaction open. A commit hook that is set here is
    /// replaced. Attach files only to read them: a transaction that writes to several files is
    /// [atomic in each, but not across them](https://www.sqlite.org/lang_attach.html).
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    {
        self.on_connect.push(Arc::new(hook));
        self
    }

    /// Returns the absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(crate) fn configured_busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// Opens a connection with all settings, except for the time that it waits for locks.
    pub(crate) fn open_connection(&self, busy_timeout: Duration) -> Result<Connection, OpenError> {
        let file =
            FileId::of(&self.path).map_err(|error| self.error(Problem::Unreachable(error)))?;
        let mut raw = self.open_bare(busy_timeout)?;
        ensure_wal(&raw, &self.path)?;
        self.apply_settings(&mut raw)
            .map_err(|error| self.sqlite_error(error))?;
        if !raw.is_autocommit() {
            return Err(self.error(Problem::LeftOpen));
        }
        // This is checked again because a hook may have changed it.
        ensure_wal(&raw, &self.path)?;
        Connection::new(
            raw,
            file,
            self.turns.clone(),
            busy_timeout,
            self.keeps_writes,
        )
        .map_err(|error| self.sqlite_error(error))
    }

    /// Opens the file without reading it.
    pub(crate) fn open_bare(
        &self,
        busy_timeout: Duration,
    ) -> Result<rusqlite::Connection, OpenError> {
        let raw = open_file(&self.path, OpenFlags::empty())?;
        raw.busy_timeout(busy_timeout)
            .map_err(|error| self.sqlite_error(error))?;
        Ok(raw)
    }

    fn apply_settings(&self, raw: &mut rusqlite::Connection) -> rusqlite::Result<()> {
        raw.set_prepared_statement_cache_capacity(self.statements.saturating_add(OWN_STATEMENTS));
        let synchronous = match self.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        // A negative size counts KiB instead of pages.
        raw.execute_batch(&format!(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = \
                -{};",
            self.cache_kib
        ))?;
        self.on_connect.iter().try_for_each(|hook| hook(raw))
    }

    pub(crate) fn sqlite_error(&self, error: rusqlite::Error) -> OpenError {
        self.error(Problem::Sqlite(error))
    }

    fn error(&self, problem: Problem) -> OpenError {
        OpenError::new(&self.path, problem)
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .field("busy_timeout", &self.busy_timeout)
            .field("cache_kib", &self.cache_kib)
            .field("statements", &self.statements)
            .field("synchronous", &self.synchronous)
            .finish_non_exhaustive()
    }
}

fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let name = path.as_os_str();
    if name.is_empty() || name == ":memory:" || name.as_encoded_bytes().starts_with(b"file:") {
        return Err(OpenError::new(path, Problem::NotAFile));
    }
    std::path::absolute(path).map_err(|error| OpenError::new(path, Problem::Unreachable(error)))
}

/// Opens the file with `NO_MUTEX`, because a connection is never used by two threads at once, and
/// without `SQLITE_OPEN_URI`, so that a path is never read as a URI.
fn open_file(path: &Path, more: OpenFlags) -> Result<rusqlite::Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let open = || -> rusqlite::Result<(rusqlite::Connection, bool)> {
        let raw = rusqlite::Connection::open_with_flags(path, flags)?;
        // Without permission to write, SQLite silently opens the file for reading.
        let is_readonly = raw.is_readonly("main")?;
        Ok((raw, is_readonly))
    };
    match open() {
        Ok((raw, false)) => Ok(raw),
        Ok((_, true)) => Err(OpenError::new(path, Problem::ReadOnly)),
        Err(error) => Err(OpenError::new(path, Problem::Sqlite(error))),
    }
}

/// Reads the file for the first time, and so fails if it is unreadable.
fn is_empty(raw: &rusqlite::Connection) -> rusqlite::Result<bool> {
    raw.busy_timeout(PATIENCE)?;
    let pages: i64 = raw.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    Ok(pages == 0)
}

/// Switches the main file, but not attached files, to WAL mode. Waits for each lock as long as
/// `raw` does. If WAL mode is already on, only a reader's lock is needed.
fn ensure_wal(raw: &rusqlite::Connection, path: &Path) -> Result<(), OpenError> {
    match into_wal(raw) {
        Ok(mode) if mode == WAL => Ok(()),
        Ok(mode) => Err(OpenError::new(path, Problem::NotWal(mode))),
        Err(error) => Err(OpenError::new(path, Problem::Sqlite(error))),
    }
}

/// Tries to switch to WAL mode, and returns the journal mode after the attempt.
///
/// The switch needs exclusive access to the file. By itself it would read first and then request
/// the exclusive lock, but SQLite [does not wait](https://www.sqlite.org/c3ref/busy_handler.html)
/// if a reader requests a stronger lock: it fails at once. `BEGIN EXCLUSIVE` does wait, but the
/// switch is refused inside a transaction. So the [locking
/// mode](https://www.sqlite.org/pragma.html#pragma_locking_mode) `EXCLUSIVE` keeps the lock beyond
/// the transaction. After setting it back to `NORMAL`, the lock is released at the next access to
/// the file, which is the switch.
fn into_wal(raw: &rusqlite::Connection) -> rusqlite::Result<String> {
    let mode = journal_mode(raw, "PRAGMA main.journal_mode")?;
    if mode == WAL {
        return Ok(mode);
    }
    let exclusive = Transaction::new_unchecked(raw, TransactionBehavior::Exclusive)?;
    // The mode is read again because another program may have switched it first. In WAL mode the
    // locking mode must stay as it is, or this connection would lock out all others. This query
    // also loads the schema, which the switch would otherwise do as a separate access.
    let mode = journal_mode(&exclusive, "PRAGMA main.journal_mode")?;
    if mode == WAL {
        return Ok(mode);
    }
    exclusive.execute_batch("PRAGMA main.locking_mode = EXCLUSIVE")?;
    exclusive.commit()?;
    raw.execute_batch("PRAGMA main.locking_mode = NORMAL")?;
    journal_mode(raw, "PRAGMA main.journal_mode = WAL")
}

fn journal_mode(raw: &rusqlite::Connection, pragma: &str) -> rusqlite::Result<String> {
    raw.query_row(pragma, [], |row| row.get(0))
}
