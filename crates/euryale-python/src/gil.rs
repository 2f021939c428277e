//! Releases the GIL.

use euryale_wsgi::Unlock;
use pyo3::prelude::*;

/// Releases the GIL during work on the disk.
#[derive(Debug)]
pub(crate) struct Gil;

impl Unlock for Gil {
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // The worker is already attached to the interpreter, so this only returns its token.
        Python::attach(|py| py.detach(work))
    }
}
