//! Reads files: from the page cache, which never blocks, or from the disk, which belongs on a lane.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use euryale_core::Blob;

use crate::buffers::Buffer;

/// Reads the bytes that are in memory. `RWF_NOWAIT` never waits for a disk, so a runtime thread may
/// call this.
#[cfg(target_os = "linux")]
pub(crate) fn read_resident(file: &File, space: &mut [u8], at: u64) -> rustix::io::Result<usize> {
    let mut space = [io::IoSliceMut::new(space)];
    rustix::io::preadv2(file, &mut space, at, rustix::io::ReadWriteFlags::NOWAIT)
}

/// This system cannot tell which data is in memory.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_resident(
    _file: &File,
    _space: &mut [u8],
    _at: u64,
) -> rustix::io::Result<usize> {
    Err(rustix::io::Errno::OPNOTSUPP)
}

/// Reads at least one byte at this position of the file. Blocks.
pub(crate) fn read_at(blob: &Blob, mut buffer: Buffer, want: u64, at: u64) -> io::Result<Bytes> {
    loop {
        match blob.file().read_at(buffer.space(want), at) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file is shorter than it was",
                ));
            }
            Ok(read) => return Ok(buffer.filled(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
