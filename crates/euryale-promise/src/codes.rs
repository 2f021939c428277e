//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// The request's promises needed more passes than allowed (508).
pub const PASS_LIMIT: Code = Code::new(
    Class::TooManySteps,
    "promise.pass_limit",
    "too many passes for promises",
);

/// The request asked for more promises than allowed (508).
pub const PROMISE_LIMIT: Code = Code::new(
    Class::TooManySteps,
    "promise.promise_limit",
    "too many promises",
);

/// Too many requests are already waiting for promises (503).
pub const SUSPENDED_FULL: Code = Code::new(
    Class::Busy,
    "promise.suspended_full",
    "too many requests wait for promises",
);
