//! Whole stacks against whole clients.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod blobs;
mod cap;
mod compile_fail;
mod composition;
mod conflicts;
mod deferred;
mod early;
mod extractors;
mod failures;
mod first_program;
mod framing;
mod handlers;
mod lanes;
mod overload;
mod participants;
mod promises;
mod refusals;
mod stopping;
mod tiles;
mod uploads;
