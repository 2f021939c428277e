//! The end of a process whose interpreter cannot end it.
#![expect(
    unsafe_code,
    reason = "nothing safe ends a process without its handlers"
)]

use pyo3::prelude::*;

/// Ends the process at once: no interpreter is finalized, no handler runs, nothing is flushed.
pub(crate) fn now(status: i32) -> ! {
    // SAFETY: `_exit` has no precondition, may be called in any thread, and runs nothing of this
    // process: no destructor and no `atexit` handler meets a thread that is still at work.
    unsafe { libc::_exit(status) }
}

/// Ends the process at once, with this status. Flush what has to be flushed before.
#[pyfunction]
pub(crate) fn exit(status: i32) {
    now(status)
}
