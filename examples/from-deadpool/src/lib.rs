//! What the application before its move takes from another crate.

pub mod deadpool_sqlite;
