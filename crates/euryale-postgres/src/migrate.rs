//! Migrates the schema of a database in numbered steps.

use std::error::Error as StdError;
use std::fmt;

use crate::error::Error;
use crate::open_error::OpenError;
use crate::{Connection, Postgres, marks};

/// The key of the advisory lock of migrations: `euryale` in ASCII.
const LOCK: i64 = 0x0065_7572_7961_6c65;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS euryale_schema (version int NOT NULL)";

impl Postgres {
    /// Brings the schema up to date: runs those `steps` that have not been applied to the database
    /// yet, in order, and returns their number. Blocks; call it before the program starts to serve.
    ///
    /// The version is the number of finished steps; it is kept in the table `euryale_schema` of the
    /// current schema. So never change, move or remove a released step; append another one. A step
    /// consists of one or more statements without `COMMIT`.
    ///
    /// Each step is one transaction, together with its new version, under an advisory lock
    /// (<https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS>): programs that
    /// start at the same time wait for each other, and each step is applied once. The table of
    /// [marks](Self::create_marks) is created as well.
    ///
    /// # Errors
    /// [`MigrateError::Newer`] and [`MigrateError::Foreign`]: nothing was changed.
    /// [`Step`](MigrateError::Step): the steps before the failing one have been applied.
    pub fn migrate(&self, steps: &[&str]) -> Result<usize, MigrateError> {
        let mut connection = self.open_connection()?;
        let done = self.steps_done(&mut connection, steps)?;
        while self.next_step(&mut connection, steps)? {}
        self.state.marks_exist();
        Ok(steps.len() - done)
    }

    /// Creates the table `euryale_commit`, whose rows settle commits whose answers were lost. Use
    /// it if other tools migrate your schema; [`migrate`](Self::migrate) includes it.
    ///
    /// # Errors
    /// The role may not create tables.
    pub fn create_marks(&self) -> Result<(), MigrateError> {
        let mut connection = self.open_connection()?;
        let created = self.locked(&mut connection, |connection| {
            connection.batch_execute(marks::CREATE)
        });
        created.map_err(|source| self.failed(0, source))?;
        self.state.marks_exist();
        Ok(())
    }

    /// Runs one step, and creates the tables before the first one. Returns `false` if no step was
    /// left.
    fn next_step(&self, connection: &mut Connection, steps: &[&str]) -> Result<bool, MigrateError> {
        let number = self.steps_done(connection, steps)?;
        let has_tables = self.has_tables(connection)?;
        if number == steps.len() && has_tables {
            return Ok(false);
        }
        let step = if has_tables { number + 1 } else { 0 };
        let ran = self.locked(connection, |connection| {
            if step == 0 {
                connection.batch_execute(CREATE)?;
                return connection.batch_execute(marks::CREATE);
            }
            // Another program may have applied this step first.
            if version(connection)? != Some(i32::try_from(number).unwrap_or(i32::MAX)) {
                return Ok(());
            }
            connection.batch_execute(steps[number])?;
            let set =
                format!("DELETE FROM euryale_schema; INSERT INTO euryale_schema VALUES ({step})");
            connection.batch_execute(&set)
        });
        ran.map_err(|source| self.failed(step, source))?;
        Ok(true)
    }

    /// Runs `f` in a transaction that waits for the migrations of other programs.
    fn locked(
        &self,
        connection: &mut Connection,
        f: impl FnOnce(&mut Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})");
        connection.batch_execute(&begin)?;
        match f(connection) {
            // Fails if a statement has failed; `COMMIT` alone would not.
            Ok(()) => connection.batch_execute("SELECT 1; COMMIT"),
            Err(error) => {
                // The connection ends with its transaction if this fails, too.
                let _ = connection.batch_execute("ROLLBACK");
                Err(error)
            }
        }
    }

    fn has_tables(&self, connection: &mut Connection) -> Result<bool, MigrateError> {
        let sql = "SELECT to_regclass('euryale_schema') IS NOT NULL \
            AND to_regclass('euryale_commit') IS NOT NULL";
        let has_tables = connection.ask(sql);
        Ok(has_tables.map_err(|error| self.refused(error))?)
    }

    fn steps_done(
        &self,
        connection: &mut Connection,
        steps: &[&str],
    ) -> Result<usize, MigrateError> {
        let refused = |error| MigrateError::Open(self.refused(error));
        if is_foreign(connection).map_err(refused)? {
            return Err(MigrateError::Foreign { name: self.name() });
        }
        let found = version(connection).map_err(refused)?.unwrap_or(0);
        match usize::try_from(found) {
            Ok(done) if done <= steps.len() => Ok(done),
            _ => Err(MigrateError::Newer {
                name: self.name(),
                found,
                known: steps.len(),
            }),
        }
    }

    fn failed(&self, step: usize, source: Error) -> MigrateError {
        MigrateError::Step {
            name: self.name(),
            step,
            source,
        }
    }
}

/// Returns the version, or `None` if the database has never been migrated.
fn version(connection: &mut Connection) -> Result<Option<i32>, Error> {
    let exists = "SELECT to_regclass('euryale_schema') IS NOT NULL";
    if !connection.ask::<bool>(exists)? {
        return Ok(None);
    }
    let version = connection.ask("SELECT coalesce(max(version), 0) FROM euryale_schema")?;
    Ok(Some(version))
}

/// Returns whether the current schema has tables, views or sequences, but not our table of
/// versions. This is a single statement, because another program may be migrating.
fn is_foreign(connection: &mut Connection) -> Result<bool, Error> {
    let sql = "SELECT to_regclass('euryale_schema') IS NULL AND EXISTS (\
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
        WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') \
        AND relname <> 'euryale_commit')";
    connection.ask(sql)
}

/// The schema could not be brought up to date. The message is one line: which database, what is
/// wrong, what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database cannot be opened, or its version cannot be read.
    Open(OpenError),
    /// The schema has a later version than this program supports. Nothing was changed.
    Newer {
        /// The database.
        name: String,
        /// Its version.
        found: i32,
        /// The last version that this program supports.
        known: usize,
    },
    /// The current schema has tables, but none with its version: another program has created them.
    /// Nothing was changed.
    Foreign {
        /// The database.
        name: String,
    },
    /// A step failed. The steps before it have been applied, and this one was rolled back.
    Step {
        /// The database.
        name: String,
        /// The step's number, from 1; 0 is the creation of this crate's own tables.
        step: usize,
        /// The cause.
        source: Error,
    },
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Newer { name, found, known } => write!(
                f,
                "database {name}: its schema version is {found}, this program knows {known}; \
                 start a newer program or restore an older backup (nothing was changed)"
            ),
            Self::Foreign { name } => write!(
                f,
                "database {name}: it has the tables of another program; name an empty database, or \
                 create a schema for this one (nothing was changed)"
            ),
            Self::Step { name, step, source } => write!(
                f,
                "database {name}: schema step {step} failed, and the schema is as the step before \
                 left it: {source}"
            ),
        }
    }
}

impl StdError for MigrateError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Open(error) => error.source(),
            Self::Newer { .. } | Self::Foreign { .. } => None,
            // The message says the error's own.
            Self::Step { source, .. } => source.source(),
        }
    }
}

impl From<OpenError> for MigrateError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
