//! Whole stacks against whole clients.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod cap;
mod compile_fail;
mod composition;
mod failures;
mod framing;
mod lanes;
mod overload;
mod participants;
mod promises;
mod uploads;
