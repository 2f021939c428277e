//! The codes of this crate's errors.

use euryale_core::error::{Class, Code, Level};

/// The task is no longer held by this run: its hold has expired and another process has taken it,
/// or an operator has cancelled it. Nothing was committed.
pub const FENCED: Code = Code::new(
    Class::Failed,
    "tasks.fenced",
    "a task is no longer held by this run",
)
.logged_at(Level::Warn);

/// The payload of a task does not parse, so the task is dead at once.
pub const BAD_PAYLOAD: Code = Code::new(
    Class::Failed,
    "tasks.bad_payload",
    "the payload of a task does not parse",
);

/// A task that was waited for has failed for the last time (500).
pub const TASK_DEAD: Code = Code::new(
    Class::Failed,
    "tasks.dead",
    "a task that the answer needs has failed for the last time",
);

/// The payload of a new task is longer than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) (500).
pub const PAYLOAD_TOO_LARGE: Code = Code::new(
    Class::Failed,
    "tasks.payload_too_large",
    "the payload of a new task is too large",
);

/// The run of a task answered with a body that is still to be computed, which nothing would read
/// and whose work no transaction would contain.
pub const UNFINISHED_ANSWER: Code = Code::new(
    Class::Failed,
    "tasks.unfinished_answer",
    "the run of a task returned a body that is deferred, or written by synchronous code",
);
