//! Ends a process whose interpreter cannot end it.
#![expect(
    unsafe_code,
    reason = "nothing safe ends a process without its handlers, or writes without a lock"
)]

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PySystemExit;
use pyo3::intern;
use pyo3::prelude::*;

/// The status of a child that returned into Rust: EX_SOFTWARE of sysexits.h.
const RETURNED: i32 = 70;

/// Whether this process is a forked child without its own server. Such a child has one thread, and
/// the sockets of its parent.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Ends the process at once: no interpreter is finalized, no handler runs, nothing is flushed.
pub(crate) fn now(status: i32) -> ! {
    // SAFETY: `_exit` has no precondition and may be called in any thread. It runs no destructors
    // and no `atexit` handlers, so none of them can disturb a thread that is still running.
    unsafe { libc::_exit(status) }
}

/// Ends the process at once with this status. Flush all output before.
#[pyfunction]
pub(crate) fn exit(status: i32) {
    now(status)
}

/// Records that this is a forked child. It is called through `os.register_at_fork`.
#[pyfunction]
pub(crate) fn note_fork() {
    IS_CHILD.store(true, Ordering::Relaxed);
}

/// Records that this process has its own server.
pub(crate) fn is_server() {
    IS_CHILD.store(false, Ordering::Relaxed);
}

/// Passes on the result of a call of the application. In a forked child it ends the process
/// instead, because the parent has the request and answers it.
pub(crate) fn unless_child<T>(py: Python<'_>, returned: PyResult<T>) -> PyResult<T> {
    if IS_CHILD.load(Ordering::Relaxed) {
        end_child(py, returned.err());
    }
    returned
}

/// Ends a child with the status of `sys.exit`, if the child called that.
fn end_child(py: Python<'_>, raised: Option<PyErr>) -> ! {
    let code = raised
        .filter(|error| error.is_instance_of::<PySystemExit>(py))
        .and_then(|error| error.value(py).getattr(intern!(py, "code")).ok());
    if let Some(status) = code.and_then(|code| match code.is_none() {
        true => Some(0),
        false => code.extract().ok(),
    }) {
        now(status);
    }
    // Another thread may have held the lock of standard error, or Python's log, during the fork.
    let line =
        b"euryale: a forked child returned into the server and ends: call os._exit() in it\n";
    // This does not use `/dev/stderr`, which cannot be opened if it is a socket, like that of the
    // journal. SAFETY: the pointer and the length are those of `line`, which `write` only reads. If
    // the descriptor is closed, the write fails, and there is nowhere left to report that.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    now(RETURNED);
}
