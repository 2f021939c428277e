//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// The request's body is larger than its route allows (413).
pub const BODY_TOO_LARGE: Code = Code::new(
    Class::TooLarge,
    "spool.body_too_large",
    "the request body is too large",
);

/// The disk has no room left for the request's body (507).
pub const SPOOL_FULL: Code = Code::new(
    Class::NoRoom,
    "spool.full",
    "no room left for the request body",
);

/// The request's body cannot be spooled for another reason, such as a lack of descriptors or a
/// missing folder (503).
pub const SPOOL_UNAVAILABLE: Code = Code::new(
    Class::Unavailable,
    "spool.unavailable",
    "the request body cannot be kept",
);

/// The budget for request bodies has no room left for another one (503).
pub const SPOOL_BUSY: Code = Code::new(
    Class::Busy,
    "spool.busy",
    "too many request bodies are held",
);

/// The request is malformed (400): its body ended in an error, or is not a form.
pub const MALFORMED: Code = Code::new(
    Class::Malformed,
    "spool.malformed",
    "the request is malformed",
);
