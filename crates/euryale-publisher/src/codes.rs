//! The codes of this crate's errors.

use euryale_core::error::{Class, Code, Level};

/// The last attempt that [`ConflictPolicy`](crate::ConflictPolicy) allows ended in a conflict, too
/// (503).
pub const CONFLICTS_EXHAUSTED: Code = Code::new(
    Class::Busy,
    "publisher.conflicts_exhausted",
    "conflict with another transaction in every attempt",
)
.logged_at(Level::Error);
