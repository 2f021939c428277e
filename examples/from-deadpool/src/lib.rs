//! The parts of another crate that the application uses before its move.

pub mod deadpool_sqlite;
