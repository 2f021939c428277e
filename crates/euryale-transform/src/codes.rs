//! The codes of this layer's errors.

use euryale_core::error::{Class, Code};

/// A transform failed that no page may be sent without (500).
pub const TRANSFORM_FAILED: Code = Code::new(
    Class::Failed,
    "transform.failed",
    "a critical transform failed",
);
