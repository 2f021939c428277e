//! What operators ask and order.

use euryale_core::{Database, Error};

use crate::payload::TaskId;
use crate::rows::{Retry, TaskCount, TaskRow, TaskState};
use crate::table::TaskTable;
use crate::tasks::Tasks;

/// For operators. These methods use the connections of [waits](crate::TasksBuilder::waits), so that
/// tasks that hang do not keep an operator from cancelling them.
impl<D: Database> Tasks<D> {
    /// Returns the number of tasks by queue, kind and state. Reads the whole table.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn counts(&self) -> Result<Vec<TaskCount>, Error> {
        self.shared.looks.read(TaskTable::counts).await
    }

    /// Returns up to `most` tasks in this state: those that are due or held in the order of their
    /// ids, and others in the order of their time.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn list(&self, state: TaskState, most: usize) -> Result<Vec<TaskRow>, Error> {
        self.shared
            .looks
            .read(move |table, connection| table.list(connection, state, most))
            .await
    }

    /// Returns a task, or `None` if it has no row.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn show(&self, id: TaskId) -> Result<Option<TaskRow>, Error> {
        self.shared
            .looks
            .read(move |table, connection| table.show(connection, id))
            .await
    }

    /// Makes a dead or a delayed task due. Its attempts begin again, and a task in steps continues
    /// after its last step.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn retry(&self, id: TaskId) -> Result<Retry, Error> {
        let retried = self
            .shared
            .looks
            .write(move |table, connection| table.retry(connection, id))
            .await?;
        if retried == Retry::Due {
            tracing::info!(%id, "an operator retries a task");
            self.shared.added.send_replace(());
        }
        Ok(retried)
    }

    /// Deletes a task in any state. If it runs, its commit is refused. Returns `false` if there is
    /// no such task.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn cancel(&self, id: TaskId) -> Result<bool, Error> {
        let was_there = self
            .shared
            .looks
            .write(move |table, connection| table.cancel(connection, id))
            .await?;
        if was_there {
            tracing::info!(%id, "an operator cancels a task");
            self.shared.ended.send_replace(());
        }
        Ok(was_there)
    }

    /// Pauses a queue: no process takes its tasks, and those that run go on. It stays paused until
    /// it is [resumed](Self::resume). Returns `false` if it was paused already.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn pause(&self, queue: &str) -> Result<bool, Error> {
        self.set_paused(queue, true).await
    }

    /// Resumes a queue. Returns `false` if it was not paused.
    ///
    /// # Errors
    /// That of the pool or of the database.
    pub async fn resume(&self, queue: &str) -> Result<bool, Error> {
        self.set_paused(queue, false).await
    }

    async fn set_paused(&self, queue: &str, paused: bool) -> Result<bool, Error> {
        let name = queue.to_owned();
        let order = self
            .shared
            .looks
            .write(move |table, connection| table.pause(connection, &name, paused));
        let has_changed = order.await?;
        if has_changed {
            tracing::info!(
                queue,
                paused,
                "an operator pauses or resumes a queue of tasks"
            );
            self.shared.added.send_replace(());
        }
        Ok(has_changed)
    }
}
