//! Memory maps of files, which need `unsafe`.
//!
//! These are the conditions, and the reasons why they hold:
//!
//! * **The addresses are valid for as long as they are in use.** A `Map` is unmapped in its drop,
//!   and is owned by the `Bytes` in it.
//! * **The bytes do not change while they are readable.** They are mapped read-only. If another
//!   process wrote to the file, the bytes would change while they are shared, which Rust's rules
//!   for references forbid. So only stable files are mapped: `Blob::stable` is `unsafe`, and its
//!   caller promises that nobody changes the file in place, or that nobody reads the bytes.
//! * **Reading the bytes does not kill the process.** Reading a page beyond the end of a truncated
//!   file would (SIGBUS). The same promise excludes this.
//! * **No code of this project reads the bytes,** so that a host can keep the second form of the
//!   promise. hyper does not read what it passes to `writev`, the socket recognises a window by its
//!   address, and no layer looks at the chunks of a file. `tests/it/blobs/unread.rs` asks the
//!   kernel whether any page of a map was touched.

#![expect(unsafe_code, reason = "a map of a file; the argument is above")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{NonNull, null_mut};
use std::slice;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Pages of all sizes begin at multiples of the smallest; 64 KiB is the largest base page of any
/// Linux.
const PAGE: u64 = 64 << 10;

/// A read-only map of a part of a file.
#[derive(Debug)]
pub(crate) struct Map {
    /// The start of the map, at a page boundary.
    base: NonNull<c_void>,
    mapped: usize,
    /// The offset of the part in the map.
    skip: usize,
}

// SAFETY: the addresses belong to the process and not to a thread, and are only read.
unsafe impl Send for Map {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `len` bytes of `file`, starting at `offset`. This reads nothing: a page is loaded only
    /// when it is touched.
    pub(crate) fn new(file: &File, offset: u64, len: u64) -> io::Result<Self> {
        let begin = offset / PAGE * PAGE;
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let skip = usize::try_from(offset - begin).map_err(too_large)?;
        let mapped = usize::try_from(offset - begin + len).map_err(too_large)?;
        // SAFETY: no fixed address is requested, so no existing mapping is replaced.
        let base = unsafe {
            mmap(
                null_mut(),
                mapped,
                ProtFlags::READ,
                MapFlags::SHARED,
                file,
                begin,
            )?
        };
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, mapped, skip })
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `base` is the beginning of a map of `mapped` bytes that lives as long as `self`;
        // the module's documentation says why they may be read.
        let all = unsafe { slice::from_raw_parts(self.base.as_ptr().cast::<u8>(), self.mapped) };
        &all[self.skip..]
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this length, and no address in it is in use any more. An error would
        // mean that it was not mapped.
        let _ = unsafe { munmap(self.base.as_ptr(), self.mapped) };
    }
}
