//! Threads for what met no layer: synchronous code that writes a body or computes a response, in a
//! few threads at a time, and the close of a large file without a name, which frees its blocks.

use std::sync::LazyLock;

use tokio::runtime::Handle;

use crate::error::PanicMessage;
use crate::threads::BlockingLane;

/// Closes a file where that may block, on the blocking pool of this thread's runtime: closing a
/// file without a name deletes it, and frees all its blocks. Outside a runtime it is closed here.
/// A guard that counts the file is passed along and dropped after it: `close_elsewhere((file,
/// counted))`.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever drops a body last may be on a runtime thread"
)]
pub fn close_elsewhere(file: impl Send + 'static) {
    match Handle::try_current() {
        // Without a thread tokio panics, and closes the file when it has one.
        Ok(runtime) => drop(PanicMessage::catch(|| {
            runtime.spawn_blocking(move || drop(file))
        })),
        Err(_) => drop(file),
    }
}

/// Threads for work that met no layer. Blocking work takes threads of the whole process, so the
/// bound applies to the process as well: a writer whose client reads nothing holds a thread for as
/// long as it may.
pub(crate) static ANY_THREAD: LazyLock<BlockingLane> =
    LazyLock::new(|| BlockingLane::new("no layer", 128));
