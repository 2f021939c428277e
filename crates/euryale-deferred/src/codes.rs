//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// A deferred response failed before its first byte (502).
pub const DEFERRED_FAILED: Code = Code::new(
    Class::Upstream,
    "deferred.failed",
    "a deferred response failed",
);
