//! The interface of a table of tasks.

use std::time::Duration;

use euryale_core::{BoxError, Database};

use crate::enqueue::{Added, IfThere, When};
use crate::payload::TaskId;
use crate::rows::{Retry, TaskCount, TaskRow, TaskState};

/// A table of tasks in a database.
///
/// Every method runs in a transaction of the caller, in a worker, and blocks. A conflict is an
/// error that the database classifies as one; the caller's transaction is then retried.
pub trait TaskTable<D: Database>: Send + Sync + 'static {
    /// Adds a task.
    ///
    /// # Errors
    /// The database's own error.
    fn add(&self, connection: &mut D::Connection, task: &NewTask<'_>) -> Result<Added, BoxError>;

    /// Returns whether [`take`](Self::take) might find a task. It only reads.
    ///
    /// # Errors
    /// The database's own error.
    fn look(&self, connection: &mut D::Connection, wanted: &Wanted<'_>)
    -> Result<Looked, BoxError>;

    /// Takes tasks that are due, by priority and age. Each is held by this process for
    /// [`Wanted::hold`], and one more attempt is counted.
    ///
    /// # Errors
    /// The database's own error.
    fn take(
        &self,
        connection: &mut D::Connection,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<TakenTask>, BoxError>;

    /// Ends a held task that has succeeded, or stores a step of it. Returns `false` if the task is
    /// not held with this token any more; the caller then aborts.
    ///
    /// # Errors
    /// The database's own error.
    fn acknowledge(
        &self,
        connection: &mut D::Connection,
        held: Held,
        done: &Done<'_>,
    ) -> Result<bool, BoxError>;

    /// Ends the hold on a task that has failed. Returns `false` if the task is not held with this
    /// token any more, and nothing was changed.
    ///
    /// # Errors
    /// The database's own error.
    fn fail(
        &self,
        connection: &mut D::Connection,
        held: Held,
        failure: &Failure<'_>,
    ) -> Result<bool, BoxError>;

    /// Returns how these tasks have ended, as far as they have. It only reads. A task without a row
    /// has succeeded.
    ///
    /// # Errors
    /// The database's own error.
    fn ends(
        &self,
        connection: &mut D::Connection,
        ids: &[TaskId],
    ) -> Result<Vec<(TaskId, TaskEnd)>, BoxError>;

    /// Returns whether [`rescue`](Self::rescue) might find a task. It only reads.
    ///
    /// # Errors
    /// The database's own error.
    fn needs_rescue(&self, connection: &mut D::Connection) -> Result<bool, BoxError>;

    /// Ends the holds of processes that have ended, and holds that have expired. Such a task is
    /// tried again, or is dead if it has no attempt left.
    ///
    /// # Errors
    /// The database's own error.
    fn rescue(&self, connection: &mut D::Connection) -> Result<Vec<RescuedTask>, BoxError>;

    /// Returns the number of tasks by queue, kind and state. It only reads.
    ///
    /// # Errors
    /// The database's own error.
    fn counts(&self, connection: &mut D::Connection) -> Result<Vec<TaskCount>, BoxError>;

    /// Returns up to `most` tasks in this state: those that are due or held in the order of their
    /// ids, and others in the order of their time. It only reads.
    ///
    /// # Errors
    /// The database's own error.
    fn list(
        &self,
        connection: &mut D::Connection,
        state: TaskState,
        most: usize,
    ) -> Result<Vec<TaskRow>, BoxError>;

    /// Returns a task. It only reads.
    ///
    /// # Errors
    /// The database's own error.
    fn show(&self, connection: &mut D::Connection, id: TaskId)
    -> Result<Option<TaskRow>, BoxError>;

    /// Makes a dead or a delayed task due, with new attempts.
    ///
    /// # Errors
    /// The database's own error.
    fn retry(&self, connection: &mut D::Connection, id: TaskId) -> Result<Retry, BoxError>;

    /// Deletes a task in any state. Returns `false` if there is no such task.
    ///
    /// # Errors
    /// The database's own error.
    fn cancel(&self, connection: &mut D::Connection, id: TaskId) -> Result<bool, BoxError>;

    /// Pauses or resumes a queue. Returns `false` if nothing has changed.
    ///
    /// # Errors
    /// The database's own error.
    fn pause(
        &self,
        connection: &mut D::Connection,
        queue: &str,
        paused: bool,
    ) -> Result<bool, BoxError>;
}

/// A task that is about to be added.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewTask<'a> {
    /// The id, which is larger than all others of this process.
    pub id: TaskId,
    /// The kind.
    pub kind: &'a str,
    /// The payload, a JSON text.
    pub payload: &'a str,
    /// The queue.
    pub queue: &'a str,
    /// The key that makes it unique.
    pub key: Option<&'a str>,
    /// What happens if there is one with this key.
    pub if_there: IfThere,
    /// When it is due.
    pub when: When,
    /// The priority.
    pub priority: i32,
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The key of a limit, and how many of its tasks may run at the same time.
    pub limit: Option<(&'a str, u32)>,
    /// How long the row is kept after the task has succeeded.
    pub keep_outcome: Option<Duration>,
}

/// What a process can run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// The kinds.
    pub kinds: &'a [&'static str],
    /// The queues, or all of them.
    pub queues: Option<&'a [String]>,
    /// The maximum number of tasks.
    pub most: usize,
    /// How long the tasks are held.
    pub hold: Duration,
}

/// The result of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looked {
    /// There may be a task to take now.
    pub is_due: bool,
    /// When the next delayed task will be due.
    pub next: Option<Duration>,
}

impl Looked {
    /// Creates a result.
    #[must_use]
    pub fn new(is_due: bool, next: Option<Duration>) -> Self {
        Self { is_due, next }
    }
}

/// A task that this process has taken.
#[derive(Clone, Debug)]
pub struct TakenTask {
    /// The id, and the token of the hold.
    pub held: Held,
    /// The kind.
    pub kind: String,
    /// The queue.
    pub queue: String,
    /// The payload, a JSON text.
    pub payload: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The cursor that the last step of an earlier run has stored, a JSON text.
    pub cursor: Option<String>,
    /// Whether the outcome is kept.
    pub keeps_outcome: bool,
    /// How long the task has been due.
    pub waited: Duration,
}

/// A process's right to end one task. A token is random, and each hold has another one, so an
/// expired hold does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The id.
    pub id: TaskId,
    /// The token of the hold.
    pub token: i64,
}

/// A success.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Done<'a> {
    /// The task is complete, with this outcome: a JSON text. A task that was added
    /// [again](IfThere::Again) while it ran becomes a waiting one.
    Complete(&'a str),
    /// One step of the task is complete. The task stays held, with this cursor and a first attempt.
    Step(StepDone<'a>),
}

/// A step that has succeeded, and the hold on the task from then on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StepDone<'a> {
    /// The cursor, a JSON text.
    pub cursor: &'a str,
    /// The new token, so that nothing of the step before can end the hold.
    pub token: i64,
    /// How long the task is held.
    pub hold: Duration,
}

impl<'a> StepDone<'a> {
    pub(crate) fn new(cursor: &'a str, token: i64, hold: Duration) -> Self {
        Self {
            cursor,
            token,
            hold,
        }
    }
}

/// The end of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// It has succeeded, with this outcome if it was kept: a JSON text.
    Complete(Option<String>),
    /// It has failed for the last time, with this error.
    Dead(String),
}

/// A failure.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// What happened, for operators. `None` if the run has not begun.
    pub error: Option<&'a str>,
    /// What follows.
    pub next: Next,
}

impl<'a> Failure<'a> {
    pub(crate) fn new(error: Option<&'a str>, next: Next) -> Self {
        Self { error, next }
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this time.
    Retry(Duration),
    /// Another run after this time, and the attempt does not count.
    GiveBack(Duration),
    /// The task is dead: it stays in the table, for operators. A task that
    /// was added [again](IfThere::Again) while it ran becomes a waiting one instead.
    Dead,
}

/// A task whose process or whose hold has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RescuedTask {
    /// The id.
    pub id: TaskId,
    /// The kind.
    pub kind: String,
    /// The number of the attempt that has ended.
    pub attempt: u32,
    /// It had no attempt left and is dead. Others are tried again.
    pub is_dead: bool,
}

impl<'a> NewTask<'a> {
    pub(crate) fn new(
        id: TaskId,
        kind: &'a str,
        payload: &'a str,
        enqueue: &'a crate::Enqueue,
    ) -> Self {
        Self {
            id,
            kind,
            payload,
            queue: &enqueue.queue,
            key: enqueue.key.as_deref(),
            if_there: enqueue.if_there,
            when: enqueue.when,
            priority: enqueue.priority,
            attempts: enqueue.attempts,
            limit: enqueue
                .limit
                .as_ref()
                .map(|(key, most)| (key.as_str(), *most)),
            keep_outcome: enqueue.keep_outcome,
        }
    }
}
