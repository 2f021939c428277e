//! How a task is added.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::TaskId;

/// The name of the queue of tasks that name no other.
pub const DEFAULT_QUEUE: &str = "default";

/// The settings of a new task: when it runs, how often it is tried, and what else is like it.
///
/// ```
/// use std::time::Duration;
/// use euryale_tasks::Enqueue;
///
/// let tonight = Enqueue::new().queue("mail").after(Duration::from_secs(3600)).attempts(3);
/// # let _ = tonight;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Enqueue {
    pub(crate) queue: String,
    pub(crate) key: Option<String>,
    pub(crate) if_there: IfThere,
    pub(crate) when: When,
    pub(crate) priority: i32,
    pub(crate) attempts: u32,
    pub(crate) limit: Option<(String, u32)>,
    pub(crate) keep_outcome: Option<Duration>,
}

/// What happens to a new task if there is one of its kind and key that has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfThere {
    /// The new task is not added.
    #[default]
    Keep,
    /// A waiting task gets the payload and the settings of the new one, and its attempts begin
    /// again. A running one goes on, and then the task runs again with the new payload.
    Replace,
    /// A waiting task is kept. A running one may have read its data already, so the task runs once
    /// more after it, with the new payload.
    Again,
}

/// When a task is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After this time. The clock is that of the database; for SQLite, that of the process.
    After(Duration),
    /// At this time: milliseconds since 1970.
    At(i64),
}

/// The result of adding a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// There is a new task.
    New(TaskId),
    /// There was a task of this kind and key already, and it is unchanged.
    Kept(TaskId),
    /// A waiting task has the new payload and settings.
    Replaced(TaskId),
    /// A running task runs once more, with the new payload.
    Again(TaskId),
}

impl Added {
    /// Returns the task that does the work.
    #[must_use]
    pub fn id(self) -> TaskId {
        match self {
            Self::New(id) | Self::Kept(id) | Self::Replaced(id) | Self::Again(id) => id,
        }
    }
}

impl Enqueue {
    /// Creates settings for a task that is due at once and tried up to 10 times.
    pub fn new() -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            key: None,
            if_there: IfThere::Keep,
            when: When::Now,
            priority: 0,
            attempts: 10,
            limit: None,
            keep_outcome: None,
        }
    }

    /// The queue: a name by which tasks are paused, and by which a runner chooses what it takes.
    /// Default: `default`.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Makes the task unique: of one kind, at most one task with this key waits or runs at a time.
    /// [`if_there`](Self::if_there) says what happens to another one. Default: no key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What happens if there is a task of this kind and [key](Self::key) that has not ended.
    /// Default: [`IfThere::Keep`].
    pub fn if_there(mut self, if_there: IfThere) -> Self {
        self.if_there = if_there;
        self
    }

    /// Makes the task due at this time. The clock is that of the database; for SQLite, that of the
    /// process. Default: at once.
    pub fn at(mut self, at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.when = When::At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        self
    }

    /// Makes the task due after this time. Default: at once.
    pub fn after(mut self, delay: Duration) -> Self {
        self.when = When::After(delay);
        self
    }

    /// The priority. Of the tasks that are due, the one with the greatest number is taken first.
    /// Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// The maximum number of attempts, after which the task is dead; 0 counts as 1. Default: 10,
    /// which are spread over 14 to 20 minutes.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Limits how many tasks with this limit's key run at the same time, in all processes together;
    /// 0 counts as 1. For example, the key is a customer, or a service that allows two calls at a
    /// time. Default: no limit.
    ///
    /// Tasks over their limit are passed over each time that a task is taken, so thousands of them
    /// slow that down.
    pub fn limit(mut self, key: impl Into<String>, most: u32) -> Self {
        self.limit = Some((key.into(), most.max(1)));
        self
    }

    /// Keeps the row of the task for this time after it has succeeded, with the outcome that its
    /// function has returned. Default: the row is deleted by the task's own commit.
    pub fn keep_outcome(mut self, time: Duration) -> Self {
        self.keep_outcome = Some(time);
        self
    }
}

impl Default for Enqueue {
    fn default() -> Self {
        Self::new()
    }
}
