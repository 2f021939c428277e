//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// A critical transform failed (500).
pub const TRANSFORM_FAILED: Code = Code::new(
    Class::Failed,
    "transform.failed",
    "a critical transform failed",
);
