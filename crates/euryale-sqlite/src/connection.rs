//! A connection, and the statements that begin and end its transactions.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::{Duration, Instant};

use euryale_core::BoxError;
use euryale_core::transaction::{Access, Begin, Interrupt};
use rusqlite::{ErrorCode, ffi};

use crate::error::{FileReplaced, TransactionEnded};
use crate::file::FileId;
use crate::phase::{Phase, PhaseCell};
#[cfg(feature = "snapshot")]
use crate::snapshot::Snapshot;
use crate::turn::{Turn, Turns};
use crate::written::{WriteSet, Writes};

const BEGIN_READ: &str = "BEGIN DEFERRED";
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// A read of the file's header, which takes the snapshot.
const FIRST_READ: &str = "PRAGMA schema_version";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// The number of steps of SQLite's virtual machine between two calls of the progress handler. They
/// take about 10 µs.
const STEPS: i32 = 1_000;

/// The number of entries in the statement cache for the statements above.
pub(crate) const OWN_STATEMENTS: usize = 5;

/// A connection to SQLite, made by [`Sqlite`](crate::Sqlite): a [`rusqlite::Connection`] with all
/// its methods.
///
/// Prefer [`prepare_cached`](rusqlite::Connection::prepare_cached) for statements that run more
/// than once: they stay with the connection, from transaction to transaction. (`query_row` and
/// `execute` prepare each time.)
///
/// **Inside a publication, do not end the transaction yourself.** Use
/// [`savepoint`](rusqlite::Connection::savepoint) to undo a part of it. Otherwise:
///
/// * A `COMMIT` that has something to write is refused: SQLite rolls back and returns
///   [`SQLITE_CONSTRAINT_COMMITHOOK`](https://www.sqlite.org/rescode.html#constraint_commithook)
///   ("constraint failed"), and an error is logged. Nothing becomes durable.
/// * After that, after `ROLLBACK`, and after an error for which [SQLite itself rolls
///   back](https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction)
///   (such as a full disk), nothing can be committed: later writes are refused in the same way, and
///   a publisher that nevertheless returns `Ok` fails with [`TransactionEnded`].
/// * `BEGIN`, and so [`transaction`](rusqlite::Connection::transaction), is an error in SQLite,
///   which does not nest transactions.
///
/// `ROLLBACK` followed by `BEGIN` is not detected: later statements are committed without the
/// earlier ones.
///
/// In a job without a transaction (a pool's `run`), all of these work as rusqlite documents them. A
/// transaction that is left open there is rolled back, and its connection is dropped.
///
/// The commit hook of the connection belongs to this crate. Settings that outlive a transaction
/// (pragmas, temporary tables, attached files) belong in
/// [`Sqlite::on_connect`](crate::Sqlite::on_connect): if a publisher changes them, they stay
/// changed for the next job.
#[derive(Debug)]
pub struct Connection {
    raw: rusqlite::Connection,
    phase: PhaseCell,
    interrupt: Interrupt,
    file: FileId,
    begun: u64,
    changes_before: u64,
    writes: Option<Writes>,
    turns: Turns,
    busy_timeout: Duration,
    // Dropped after the connection, which rolls back an open transaction.
    turn: Option<Turn>,
}

impl Connection {
    /// `file` is the file that was at the path before `raw` was opened. If it was replaced in
    /// between, the first transaction detects that.
    pub(crate) fn new(
        mut raw: rusqlite::Connection,
        file: FileId,
        turns: Turns,
        busy_timeout: Duration,
        keeps_writes: bool,
    ) -> rusqlite::Result<Self> {
        let phase = PhaseCell::attach(&mut raw)?;
        let interrupt = Interrupt::flag();
        let flag = interrupt.clone();
        raw.progress_handler(STEPS, Some(move || flag.is_set()))?;
        let writes = if keeps_writes {
            Some(Writes::attach(&mut raw)?)
        } else {
            None
        };
        Ok(Self {
            raw,
            phase,
            interrupt,
            file,
            begun: 0,
            changes_before: 0,
            writes,
            turns,
            busy_timeout,
            turn: None,
        })
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    pub(crate) fn begin(&mut self, path: &Path, begin: Begin) -> Result<(), BoxError> {
        self.check_file(path)?;
        match begin.access {
            Access::Read => {
                self.run(BEGIN_READ)?;
                if let Err(error) = self.first_read() {
                    self.abort()?;
                    return Err(error.into());
                }
            }
            Access::Write => {
                let turn = self.turns.take(self.patience(begin), &self.interrupt);
                self.turn = Some(turn.ok_or_else(|| self.no_turn())?);
                if let Err(error) = self.begin_write(begin) {
                    self.turn = None;
                    return Err(error.into());
                }
            }
        }
        self.has_begun();
        Ok(())
    }

    /// Returns how long a writer waits for another one, which is never beyond the transaction's
    /// deadline.
    fn patience(&self, begin: Begin) -> Duration {
        let left = begin
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map_or(self.busy_timeout, |left| left.min(self.busy_timeout))
    }

    fn begin_write(&self, begin: Begin) -> rusqlite::Result<()> {
        let patience = self.patience(begin);
        if patience == self.busy_timeout {
            return self.run(BEGIN_WRITE);
        }
        // SQLite itself waits for writers of other processes, and does not check the flag.
        self.raw.busy_timeout(patience)?;
        let began = self.run(BEGIN_WRITE);
        self.raw.busy_timeout(self.busy_timeout)?;
        began.map_err(|error| match error.sqlite_error_code() {
            // The deadline ended the wait, and would end another attempt as well.
            Some(ErrorCode::DatabaseBusy) => elapsed("another process did not end its writing"),
            _ => error,
        })
    }

    /// Returns the error that SQLite would return.
    fn no_turn(&self) -> rusqlite::Error {
        let code = if self.interrupt.is_set() {
            ffi::SQLITE_INTERRUPT
        } else {
            ffi::SQLITE_BUSY
        };
        let waited = "another writer of this process did not end".to_owned();
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(waited))
    }

    /// Begins a transaction that reads the state of `snapshot`. Returns `false` if that state is
    /// gone; no transaction is open then.
    #[cfg(feature = "snapshot")]
    pub(crate) fn begin_at(&mut self, path: &Path, snapshot: &Snapshot) -> Result<bool, BoxError> {
        self.check_file(path)?;
        // A connection that has read nothing yet cannot open a snapshot.
        self.first_read()?;
        self.run(BEGIN_READ)?;
        match snapshot.open(&self.raw) {
            Ok(true) => {
                self.has_begun();
                Ok(true)
            }
            Ok(false) => {
                self.abort()?;
                Ok(false)
            }
            Err(error) => {
                self.abort()?;
                Err(error.into())
            }
        }
    }

    fn check_file(&self, path: &Path) -> Result<(), FileReplaced> {
        if FileId::of(path).is_ok_and(|file| file == self.file) {
            Ok(())
        } else {
            Err(FileReplaced::new(path))
        }
    }

    fn has_begun(&mut self) {
        self.phase.set(Phase::Begun);
        self.begun = self.begun.saturating_add(1);
        self.changes_before = self.raw.total_changes();
        if let Some(writes) = &self.writes {
            writes.clear();
        }
    }

    /// Returns whether the transaction has inserted, updated or deleted a row. Changes by triggers
    /// count, and so do changes that were rolled back to a savepoint. Changes of the schema do not
    /// count (<https://www.sqlite.org/c3ref/total_changes.html>).
    pub fn has_written(&self) -> bool {
        self.raw.total_changes() != self.changes_before
    }

    /// Returns the rows that the transaction has written so far. Empty unless
    /// [`Sqlite::write_sets`](crate::Sqlite::write_sets) is on.
    pub fn write_set(&self) -> WriteSet {
        self.writes.as_ref().map(Writes::get).unwrap_or_default()
    }

    pub(crate) fn commit(&mut self) -> Result<(), BoxError> {
        if self.phase.get() != Phase::Begun || self.raw.is_autocommit() {
            self.turn = None;
            return Err(TransactionEnded.into());
        }
        self.phase.set(Phase::Committing);
        let committed = self.run(COMMIT);
        self.phase
            .set(match (&committed, self.raw.is_autocommit()) {
                (Ok(()), _) => Phase::Free,
                (Err(_), true) => Phase::Ended,
                (Err(_), false) => Phase::Begun,
            });
        if self.raw.is_autocommit() {
            self.turn = None;
        }
        committed.map_err(BoxError::from)
    }

    pub(crate) fn abort(&mut self) -> rusqlite::Result<()> {
        self.phase.set(Phase::Free);
        let aborted = if self.raw.is_autocommit() {
            Ok(())
        } else {
            self.run(ROLLBACK)
        };
        // After an error the transaction may still be open, but the connection is dropped.
        self.turn = None;
        aborted
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Free && self.raw.is_autocommit()
    }

    /// Returns the number of transactions that were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.raw.prepare_cached(statement)?.execute([]).map(drop)
    }

    fn first_read(&self) -> rusqlite::Result<()> {
        self.raw
            .prepare_cached(FIRST_READ)?
            .query_row([], |_| Ok(()))
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.raw
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.raw
    }
}

/// Returns the error of an interrupted statement.
fn elapsed(waited: &str) -> rusqlite::Error {
    let code = ffi::Error::new(ffi::SQLITE_INTERRUPT);
    rusqlite::Error::SqliteFailure(code, Some(waited.to_owned()))
}
