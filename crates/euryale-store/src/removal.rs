//! The removal of files that another process may remove at the same time.

use std::io;

/// Returns whether this call removed the file. If one process finishes a removal while another
/// sweeps, either may be first.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
