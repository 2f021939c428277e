//! A blob as an independent reader. Other readers of the same file do not move its position.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use euryale::Blob;

pub(crate) struct Reader {
    blob: Blob,
    at: u64,
}

impl Reader {
    /// From its first byte on.
    pub(crate) fn new(blob: Blob) -> Self {
        Self { blob, at: 0 }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len().saturating_sub(self.at);
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let at = self.blob.offset() + self.at;
        let read = self.blob.file().read_at(&mut buffer[..most], at)?;
        if read == 0 {
            // The client has been told the length, and would mistake the following bytes for the
            // rest of the file.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file is shorter than it was",
            ));
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.blob.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
