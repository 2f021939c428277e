//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// The queue for a connection is full (503).
pub const QUEUE_FULL: Code = Code::new(
    Class::Busy,
    "connection.queue_full",
    "the queue for a connection is full",
);

/// The request waited too long for a connection (503).
pub const QUEUE_ELAPSED: Code = Code::new(
    Class::Busy,
    "connection.queue_elapsed",
    "waited too long for a connection",
);
