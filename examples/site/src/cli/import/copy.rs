//! Copies one file into another.

use std::fs::File;
use std::io::{self, Read};

use super::stop::Stop;

/// The size of a piece; the copy may stop between two pieces.
const CHUNK: u64 = 8 << 20;

/// The number of bytes after which they are synced, so that there is little left to wait for at the
/// end.
const UNSYNCED: u64 = 256 << 20;

/// Copies all of `from`, within the system if possible, and reports each step to `copied`. Returns
/// the number of bytes, or `None` if it was stopped.
pub(super) fn copy(
    from: &File,
    to: &mut File,
    stop: &Stop,
    mut copied: impl FnMut(u64),
) -> io::Result<Option<u64>> {
    let mut bytes = 0;
    let mut unsynced = 0;
    while !stop.is_set() {
        let chunk = io::copy(&mut from.take(CHUNK), to)?;
        copied(chunk);
        bytes += chunk;
        unsynced += chunk;
        if chunk < CHUNK {
            return Ok(Some(bytes));
        }
        if unsynced >= UNSYNCED {
            to.sync_data()?;
            unsynced = 0;
        }
    }
    Ok(None)
}
