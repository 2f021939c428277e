//! The schema, step by step, for each engine.

#[cfg(feature = "postgres")]
pub(super) mod postgres;
pub(super) mod sqlite;
