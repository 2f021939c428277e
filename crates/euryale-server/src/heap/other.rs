//! The heap of a C library other than glibc: nothing is known about it.

use std::io;

/// Limits the arenas of glibc's heap. Without glibc it does nothing.
///
/// # Errors
/// None here.
pub fn limit_heap_arenas(_arenas: usize) -> io::Result<()> {
    Ok(())
}
