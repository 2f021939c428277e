//! The table of tasks in SQLite.

mod add;
mod end;
mod holder;
mod operate;
mod state;
mod take;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use euryale_core::BoxError;
use euryale_sqlite::{Connection, Sqlite};

use self::holder::Holders;
use crate::enqueue::Added;
use crate::payload::TaskId;
use crate::rows::{Retry, TaskCount, TaskRow, TaskState};
use crate::table::{
    Done, Failure, Held, Looked, NewTask, RescuedTask, TakenTask, TaskEnd, TaskTable, Wanted,
};

/// The tables of this version. Run it as one of the steps of
/// [`Sqlite::migrate`](euryale_sqlite::Sqlite::migrate).
///
/// All rows are in one table. Each state has an index of its own, so dead and delayed tasks cost
/// those that are due nothing.
pub const SCHEMA: &str = "
    CREATE TABLE euryale_task (
        id INTEGER PRIMARY KEY,
        state INTEGER NOT NULL, -- 0 due, 1 delayed, 2 held, 3 dead, 4 done
        queue TEXT NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL,
        priority INTEGER NOT NULL,
        at INTEGER NOT NULL, -- since when it is in this state, or until when (1, 4): ms since 1970
        attempt INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        key TEXT,
        limit_key TEXT,
        limit_most INTEGER,
        keep INTEGER, -- ms
        again TEXT, -- the payload of one more run after the running one
        again_at INTEGER,
        cursor TEXT,
        token INTEGER,
        holder TEXT,
        held_until INTEGER, -- ms of the host's monotonic clock
        error TEXT,
        outcome TEXT
    ) STRICT;
    CREATE INDEX euryale_task_due ON euryale_task (queue, kind, priority DESC, id) WHERE state = 0;
    CREATE INDEX euryale_task_delayed ON euryale_task (at) WHERE state = 1;
    CREATE INDEX euryale_task_held ON euryale_task (holder, held_until) WHERE state = 2;
    CREATE INDEX euryale_task_limited ON euryale_task (limit_key)
        WHERE state = 2 AND limit_key IS NOT NULL;
    CREATE INDEX euryale_task_dead ON euryale_task (at) WHERE state = 3;
    CREATE INDEX euryale_task_done ON euryale_task (at) WHERE state = 4;
    CREATE UNIQUE INDEX euryale_task_key ON euryale_task (kind, key)
        WHERE key IS NOT NULL AND state < 3;
    CREATE TABLE euryale_task_paused (queue TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// The tasks in an SQLite file.
///
/// A task is held by a lock on a file of its process, in the folder `{database}-tasks`. The system
/// releases the lock when the process ends, however it ends, and other processes then run its tasks
/// again. A hold also expires after the run's deadline, by a clock that all processes of a host
/// share and that nobody can set. So all processes must be on one host, like SQLite itself, and the
/// folder must be on a local disk.
#[derive(Clone)]
pub struct SqliteTable {
    holders: Arc<Holders>,
}

impl SqliteTable {
    /// Opens the tasks in this database, whose tables were created by [`SCHEMA`]. Creates the
    /// folder of locks and this process's lock in it. Blocks.
    ///
    /// # Errors
    /// The folder beside the database cannot be created or written.
    pub fn open(database: &Sqlite) -> Result<Self, OpenTasksError> {
        let mut folder = database.path().as_os_str().to_owned();
        folder.push("-tasks");
        let folder = Path::new(&folder);
        match Holders::open(folder) {
            Ok(holders) => Ok(Self {
                holders: Arc::new(holders),
            }),
            Err(source) => Err(OpenTasksError {
                folder: folder.display().to_string(),
                source,
            }),
        }
    }
}

impl fmt::Debug for SqliteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTable")
            .field("holders", &self.holders)
            .finish()
    }
}

impl TaskTable<Sqlite> for SqliteTable {
    fn add(&self, connection: &mut Connection, task: &NewTask<'_>) -> Result<Added, BoxError> {
        add::add(connection, task)
    }

    fn look(&self, connection: &mut Connection, wanted: &Wanted<'_>) -> Result<Looked, BoxError> {
        take::look(connection, wanted)
    }

    fn take(
        &self,
        connection: &mut Connection,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<TakenTask>, BoxError> {
        take::take(connection, wanted, self.holders.own())
    }

    fn acknowledge(
        &self,
        connection: &mut Connection,
        held: Held,
        done: &Done<'_>,
    ) -> Result<bool, BoxError> {
        end::acknowledge(connection, held, done)
    }

    fn fail(
        &self,
        connection: &mut Connection,
        held: Held,
        failure: &Failure<'_>,
    ) -> Result<bool, BoxError> {
        end::fail(connection, held, failure)
    }

    fn ends(
        &self,
        connection: &mut Connection,
        ids: &[TaskId],
    ) -> Result<Vec<(TaskId, TaskEnd)>, BoxError> {
        take::ends(connection, ids)
    }

    fn needs_rescue(&self, connection: &mut Connection) -> Result<bool, BoxError> {
        end::needs_rescue(connection, &self.holders)
    }

    fn rescue(&self, connection: &mut Connection) -> Result<Vec<RescuedTask>, BoxError> {
        end::rescue(connection, &self.holders)
    }

    fn counts(&self, connection: &mut Connection) -> Result<Vec<TaskCount>, BoxError> {
        operate::counts(connection)
    }

    fn list(
        &self,
        connection: &mut Connection,
        state: TaskState,
        most: usize,
    ) -> Result<Vec<TaskRow>, BoxError> {
        operate::list(connection, state, most)
    }

    fn show(&self, connection: &mut Connection, id: TaskId) -> Result<Option<TaskRow>, BoxError> {
        operate::show(connection, id)
    }

    fn retry(&self, connection: &mut Connection, id: TaskId) -> Result<Retry, BoxError> {
        operate::retry(connection, id)
    }

    fn cancel(&self, connection: &mut Connection, id: TaskId) -> Result<bool, BoxError> {
        operate::cancel(connection, id)
    }

    fn pause(
        &self,
        connection: &mut Connection,
        queue: &str,
        paused: bool,
    ) -> Result<bool, BoxError> {
        operate::pause(connection, queue, paused)
    }
}

/// The folder with the locks of tasks cannot be used.
#[derive(Debug)]
pub struct OpenTasksError {
    folder: String,
    source: io::Error,
}

impl fmt::Display for OpenTasksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "folder {}: the locks of tasks cannot be created in it; it needs a local disk, and to \
                be writable",
            self.folder
        )
    }
}

impl std::error::Error for OpenTasksError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
