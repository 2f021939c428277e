//! Stand-ins for C libraries other than glibc.

use std::io;

/// Limits the arenas of glibc's heap. Without glibc it does nothing.
///
/// # Errors
/// Never fails here.
pub fn limit_heap_arenas(_arenas: usize) -> io::Result<()> {
    Ok(())
}
