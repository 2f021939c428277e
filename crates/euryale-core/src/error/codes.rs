//! The codes of core: those of a transaction's life, and those that several layers raise.

use super::{Class, Code, Level};

/// The pool is closed: the server is going down (503).
pub const CLOSED: Code =
    Code::new(Class::Unavailable, "core.closed", "the pool is closed").logged_at(Level::Info);

/// There is no thread for the job: the system refuses one, or the runtime has ended (503).
pub const NO_WORKER: Code = Code::new(
    Class::Unavailable,
    "core.no_worker",
    "no thread to run the job on",
);

/// The database could not be reached (503).
pub const UNAVAILABLE: Code = Code::new(
    Class::Unavailable,
    "core.unavailable",
    "the database is unavailable",
);

/// A conflict with another transaction. A [`ConflictRule`](crate::transaction::ConflictRule)
/// retries the transaction; otherwise the answer is 503.
///
/// The database decides what a conflict is
/// ([`Fault::Conflict`](crate::transaction::Fault::Conflict)), and no transaction ends in one after
/// its commit.
pub const CONFLICT: Code = Code::new(
    Class::Busy,
    "core.conflict",
    "conflict with another transaction",
)
.logged_at(Level::Error);

/// The last attempt that a [`ConflictRule`](crate::transaction::ConflictRule) allows has also ended
/// in a conflict (503).
pub const CONFLICTS_EXHAUSTED: Code = Code::new(
    Class::Busy,
    "core.conflicts_exhausted",
    "conflict with another transaction in every attempt",
)
.logged_at(Level::Error);

/// The publication took longer than its deadline, or the database stopped a statement that took too
/// long (504). Nothing was committed, and nothing will be. If the database cannot stop a statement,
/// the publisher may still run, and keep its permit.
pub const PUBLISH_ELAPSED: Code = Code::new(
    Class::Elapsed,
    "core.publish_elapsed",
    "publishing took too long",
)
// The transaction will not commit any more. With other 504 errors, the transaction may have ended
// before.
.telling("The server took too long to answer. Nothing of it was done.")
.logged_at(Level::Warn);

/// Application code panicked (500).
pub const PANICKED: Code = Code::new(Class::Failed, "core.panicked", "application code panicked");

/// A commit was sent, and it is unknown whether it took place (500).
pub const IN_DOUBT: Code = Code::new(Class::Failed, "core.in_doubt", "a commit is in doubt");

/// The client disconnected before the commit of a publication that only read, or whose route aborts
/// in this case (500, which the client never sees).
pub const CLIENT_GONE: Code = Code::new(
    Class::Failed,
    "core.client_gone",
    "the client disconnected before the commit",
)
.logged_at(Level::Info);

/// The publisher is suspended for a promise. Handled by `Republish`; otherwise 500.
pub const SUSPENDED: Code = Code::new(
    Class::Failed,
    "core.suspended",
    "suspended for a promise, but there is no Republish layer outside Publish",
);

/// Application code aborted with its own response in a place where only a value could be returned.
/// The response is sent.
pub const REFUSED: Code = Code::new(
    Class::Failed,
    "core.refused",
    "the transaction was aborted with a response",
);

/// A job waits for a permit on a thread that holds one, so it would wait for itself (500).
pub const WOULD_DEADLOCK: Code = Code::new(
    Class::Failed,
    "core.would_deadlock",
    "waiting for a connection in a worker that holds one would never end",
);

/// The request's body stopped arriving (408).
pub const BODY_STALLED: Code = Code::new(
    Class::Stalled,
    "core.body_stalled",
    "the request body stalled",
);

/// Work that an answer needs took longer than its deadline (504).
pub const ELAPSED: Code = Code::new(
    Class::Elapsed,
    "core.elapsed",
    "work that the answer needs took too long",
);

/// All threads for work after the transaction, or all places in their queue, are taken (503).
pub const LANE_FULL: Code = Code::new(
    Class::Busy,
    "core.lane_full",
    "too much work of this kind is being done already",
);

/// There is no room left for the data that the publisher writes, in the database or elsewhere
/// (507).
pub const STORAGE_FULL: Code =
    Code::new(Class::NoRoom, "core.storage_full", "no room left to write");

/// No descriptor is left for a file that the request needs: requests, or the process, have reached
/// their limit (503).
pub const NO_DESCRIPTOR: Code =
    Code::new(Class::Busy, "core.no_descriptor", "no descriptor is left");

/// The publication ended before its early answer was complete: it was aborted, or it returned a
/// different answer. The class is that of a 500, but clients see only that the body breaks off.
pub const ANSWER_ABANDONED: Code = Code::new(
    Class::Failed,
    "core.answer_abandoned",
    "a publisher abandoned an answer after its first part was sent",
);

/// Any other error of the application (500).
pub const APPLICATION: Code = Code::new(Class::Failed, "core.application", "the publisher failed");
