//! The payload of a task, and its id.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The maximum length of a payload, in bytes of its JSON text: 64 KiB.
///
/// A payload names what a task works on. Put larger data into a table of your own, in the same
/// transaction, or into a blob store.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// The payload of one kind of task. It is stored as JSON.
///
/// A payload outlives the program that wrote it: tasks that were added before an update run after
/// it. So add fields with a default (`#[serde(default)]`), or choose another kind.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Welcome {
///     to: String,
/// }
///
/// impl euryale_tasks::Payload for Welcome {
///     const KIND: &'static str = "welcome";
/// }
/// ```
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {
    /// The name of the kind, which rows, logs and metrics contain. A process takes only tasks whose
    /// kind its program has registered.
    const KIND: &'static str;
}

/// The number of a task. It is not reused, and later tasks of a process have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(i64);

impl TaskId {
    /// Creates an id from its number in the table.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number in the table.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TaskId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
