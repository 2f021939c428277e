//! Migrates the schema of a file in numbered steps.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use euryale_core::BoxError;
use euryale_core::transaction::Access;

use crate::sqlite::PATIENCE;
use crate::{Connection, OpenError, Sqlite};

impl Sqlite {
    /// Brings the schema up to date: runs those `steps` that have not been applied to the file yet,
    /// in order, and returns their number. Blocks; call it before the program starts to serve.
    ///
    /// The version of a file is the number of applied steps, which is kept in its header ([`PRAGMA
    /// user_version`](https://www.sqlite.org/pragma.html#pragma_user_version)). So never change,
    /// move or remove a step that has been released; append another one. A step consists of one or
    /// more statements.
    ///
    /// Each step and its new version are written in one transaction. Programs that start at the
    /// same time wait for each other, at most 10 s for one step, and each step is applied once. The
    /// [`on_connect`](Self::on_connect) hooks have run on the connection.
    ///
    /// Foreign keys are not enforced *during* a step, so that a table can be
    /// [rebuilt](https://www.sqlite.org/lang_altertable.html#otheralter) without its children being
    /// deleted; before the commit [all of them are
    /// checked](https://www.sqlite.org/pragma.html#pragma_foreign_key_check).
    ///
    /// # Errors
    /// [`MigrateError::Newer`]: nothing was changed, not even the journal mode.
    /// [`Step`](MigrateError::Step): the steps before the failing one have been applied.
    /// [`Open`](MigrateError::Open): the file cannot be opened.
    pub fn migrate(&self, steps: &[&str]) -> Result<usize, MigrateError> {
        // Even switching to WAL mode would change a file that belongs to another program, so a bare
        // connection checks the version first.
        let bare = self.open_bare(PATIENCE)?;
        let behind = steps.len() - self.steps_done(&bare, steps)?;
        if behind == 0 {
            return Ok(0);
        }
        drop(bare);
        let mut connection = self.open_connection(PATIENCE)?;
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .map_err(|error| self.sqlite_error(error))?;
        while self.next_step(&mut connection, steps)? {}
        Ok(behind)
    }

    /// Runs one step; returns `false` if none was left.
    fn next_step(&self, connection: &mut Connection, steps: &[&str]) -> Result<bool, MigrateError> {
        let number = self.steps_done(connection, steps)?;
        if number == steps.len() {
            return Ok(false);
        }
        let failed = |source: BoxError| MigrateError::Step {
            path: self.path().to_owned(),
            step: number + 1,
            source,
        };
        connection
            .begin(self.path(), Access::Write.into())
            .map_err(failed)?;
        // Another program may have applied this step first.
        if self.steps_done(connection, steps)? == number {
            run_step(connection, steps[number], number + 1).map_err(failed)?;
        }
        connection.commit().map_err(failed)?;
        Ok(true)
    }

    fn steps_done(
        &self,
        raw: &rusqlite::Connection,
        steps: &[&str],
    ) -> Result<usize, MigrateError> {
        let found: i32 = raw
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| self.sqlite_error(error))?;
        match usize::try_from(found) {
            Ok(done) if done <= steps.len() => Ok(done),
            _ => Err(MigrateError::Newer {
                path: self.path().to_owned(),
                found,
                known: steps.len(),
            }),
        }
    }
}

fn run_step(connection: &Connection, step: &str, version: usize) -> Result<(), BoxError> {
    connection.execute_batch(step)?;
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    if let Some(row) = check.query([])?.next()? {
        let table: String = row.get(0)?;
        return Err(format!("a row of table {table} refers to a row that does not exist").into());
    }
    connection.execute_batch(&format!("PRAGMA user_version = {version}"))?;
    Ok(())
}

/// The schema could not be brought up to date. The message is one line: which file, what is wrong,
/// what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrateError {
    /// The file cannot be opened, or its version cannot be read.
    Open(OpenError),
    /// The file's schema has a later version than this program supports, or was made by another
    /// program. Nothing was changed.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The last version that this program supports.
        known: usize,
    },
    /// A step failed. The steps before it have been applied, and nothing of this one has.
    Step {
        /// The file.
        path: PathBuf,
        /// The number of the step, from 1. This is the version to which the step would have led.
        step: usize,
        /// The cause: a [`rusqlite::Error`], a foreign key without its row,
        /// [`TransactionEnded`](crate::TransactionEnded) if the step ended the transaction itself,
        /// or [`FileReplaced`](crate::FileReplaced).
        source: BoxError,
    },
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Newer { path, found, known } => write!(
                f,
                "database {}: its schema version is {found}, this program knows {known}; \
                 start a newer program or restore an older backup (nothing was changed)",
                path.display()
            ),
            Self::Step { path, step, .. } => write!(
                f,
                "database {}: schema step {step} failed; the file is as the step before left it",
                path.display()
            ),
        }
    }
}

impl Error for MigrateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open(error) => error.source(),
            Self::Newer { .. } => None,
            Self::Step { source, .. } => Some(&**source),
        }
    }
}

impl From<OpenError> for MigrateError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
