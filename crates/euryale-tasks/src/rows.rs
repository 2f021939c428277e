//! What operators see of a table, and what they change.

use std::time::SystemTime;

use crate::payload::TaskId;

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It may be taken.
    Due,
    /// It becomes due at its time.
    Delayed,
    /// A process runs it.
    Held,
    /// It has failed for the last time.
    Dead,
    /// It has succeeded, and its outcome is kept.
    Done,
}

/// A task in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The id.
    pub id: TaskId,
    /// The state.
    pub state: TaskState,
    /// The queue.
    pub queue: String,
    /// The kind.
    pub kind: String,
    /// The payload, a JSON text.
    pub payload: String,
    /// The priority.
    pub priority: i32,
    /// Since when the task is due or dead, or until when it is delayed or kept.
    pub at: SystemTime,
    /// The number of attempts that have begun.
    pub attempt: u32,
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The key that makes it unique.
    pub key: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// The number of tasks of one kind in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCount {
    /// The queue.
    pub queue: String,
    /// The kind.
    pub kind: String,
    /// The state.
    pub state: TaskState,
    /// The number of tasks.
    pub tasks: u64,
    /// Whether the queue is paused.
    pub is_paused: bool,
}

/// The result of a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The task is due, and its attempts begin again.
    Due,
    /// The task is due or runs already, or has succeeded. Nothing was changed.
    NotNeeded,
    /// Another task of this kind and key waits or runs. Nothing was changed.
    KeyTaken(TaskId),
    /// There is no such task.
    NotFound,
}
