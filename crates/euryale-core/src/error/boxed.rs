//! Errors of any type.

/// Any error, as the tower family boxes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
