//! Tasks in SQLite, run by a whole stack.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod failing;
mod harness;
mod operators;
mod processes;
mod rescuing;
mod running;
mod suspending;
mod taking;
mod transactions;
mod waiting;
