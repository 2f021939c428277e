//! Threads for work without a layer: synchronous code that writes a body or computes a response, in
//! a few threads at a time, and the closing of large unnamed files, which frees their blocks.

use std::sync::LazyLock;

use tokio::runtime::Handle;

use crate::error::PanicMessage;
use crate::threads::BlockingLane;

/// Closes a file on the blocking pool of this thread's runtime, because closing an unnamed file
/// deletes it and frees all of its blocks. Outside a runtime it is closed on this thread. A guard
/// that counts the file is passed along and dropped after it: `close_elsewhere((file, counted))`.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever drops a body last may be on a runtime thread"
)]
pub fn close_elsewhere(file: impl Send + 'static) {
    match Handle::try_current() {
        // If no thread can be started, tokio panics, and a later thread closes the file.
        Ok(runtime) => drop(PanicMessage::catch(|| {
            runtime.spawn_blocking(move || drop(file))
        })),
        Err(_) => drop(file),
    }
}

/// Threads for work without a layer. Blocking work takes threads of the whole process, so the limit
/// also applies to the process: a writer whose client reads nothing holds a thread until its
/// time-out.
pub(crate) static ANY_THREAD: LazyLock<BlockingLane> =
    LazyLock::new(|| BlockingLane::new("no layer", 128));
