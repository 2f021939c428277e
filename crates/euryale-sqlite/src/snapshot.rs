//! The only unsafe code of this crate: SQLite's snapshot calls, which rusqlite does not wrap.
//!
//! It is sound for these reasons. The calls (<https://www.sqlite.org/c3ref/snapshot.html>) take a
//! connection's handle, which is valid as long as the borrowed `rusqlite::Connection`, and is not
//! used by another thread because a connection is not `Sync`. The schema's name is a NUL-terminated
//! literal. The result of `sqlite3_snapshot_get` is owned by [`Snapshot`] alone and freed once, by
//! its drop. Until then nothing writes to it: it is a copy of a header, which
//! `sqlite3_snapshot_open` only reads, so threads may share it.
#![expect(unsafe_code, reason = "SQLite's snapshot calls; the argument is above")]

use std::ffi::CStr;
use std::ptr::{self, NonNull};

use rusqlite::ffi;

const MAIN: &CStr = c"main";

/// The state that a reading transaction saw.
pub(crate) struct Snapshot(NonNull<ffi::sqlite3_snapshot>);

// SAFETY: a snapshot is plain memory from SQLite's thread-safe allocator, and belongs to no
// connection.
unsafe impl Send for Snapshot {}
// SAFETY: nothing writes to a snapshot between its creation and its drop.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    /// Returns the snapshot of the transaction that is open on `raw`. `None` if SQLite cannot
    /// provide it, because nothing has been written to the log since its creation, or because the
    /// transaction writes.
    pub(crate) fn get(raw: &rusqlite::Connection) -> rusqlite::Result<Option<Self>> {
        let mut snapshot = ptr::null_mut();
        // SAFETY: the handle and the name are valid for the call, and `snapshot` takes the pointer.
        let code =
            unsafe { ffi::sqlite3_snapshot_get(raw.handle(), MAIN.as_ptr(), &raw mut snapshot) };
        match code {
            ffi::SQLITE_OK => Ok(NonNull::new(snapshot).map(Self)),
            ffi::SQLITE_ERROR => Ok(None),
            code => Err(failure(code)),
        }
    }

    /// Switches the transaction on `raw`, which has begun but not been used yet, to this state.
    /// Returns `false` if the state is gone or about to be overwritten.
    pub(crate) fn open(&self, raw: &rusqlite::Connection) -> rusqlite::Result<bool> {
        // SAFETY: the handle and the name are valid for the call, and the snapshot until it is
        // dropped.
        let code =
            unsafe { ffi::sqlite3_snapshot_open(raw.handle(), MAIN.as_ptr(), self.0.as_ptr()) };
        match code {
            ffi::SQLITE_OK => Ok(true),
            // A checkpoint has overwritten the state, or is about to.
            ffi::SQLITE_ERROR_SNAPSHOT | ffi::SQLITE_BUSY => Ok(false),
            code => Err(failure(code)),
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: the pointer is from `sqlite3_snapshot_get`, and is freed only here.
        unsafe { ffi::sqlite3_snapshot_free(self.0.as_ptr()) }
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
