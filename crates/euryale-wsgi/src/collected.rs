//! What an application has sent so far.

use std::fmt;
use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use euryale_core::{Blob, Body, UnnamedFile};

/// How much goes to the file at a time, in bytes: applications yield lines.
const BUFFER: usize = 64 << 10;

/// Memory ⇒ Spilled when it would be longer than the memory's share. Counted instead of Memory for
/// HEAD, and Blob instead of it for a file.
pub(crate) enum Collected {
    Memory(Vec<u8>),
    Spilled {
        file: BufWriter<UnnamedFile>,
        len: u64,
    },
    /// Only the number of bytes.
    Counted(u64),
    Blob(Blob),
}

impl Collected {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spilled { len, .. } | Self::Counted(len) => *len,
            Self::Blob(blob) => blob.len(),
        }
    }

    /// Adds `kept`, which is all of the `count` bytes or none of them.
    pub(crate) fn push(&mut self, kept: &[u8], count: usize, memory: usize) -> io::Result<()> {
        if kept.len() < count {
            *self = Self::Counted(self.len() + count as u64);
            return Ok(());
        }
        match self {
            Self::Memory(bytes) if bytes.len() + count <= memory => {
                bytes.extend_from_slice(kept);
            }
            Self::Memory(bytes) => {
                let mut file =
                    BufWriter::with_capacity(BUFFER, UnnamedFile::create(std::env::temp_dir())?);
                file.write_all(bytes)?;
                file.write_all(kept)?;
                let len = (bytes.len() + count) as u64;
                *self = Self::Spilled { file, len };
            }
            Self::Spilled { file, len } => {
                file.write_all(kept)?;
                *len += count as u64;
            }
            Self::Counted(len) => *len += count as u64,
            Self::Blob(_) => {}
        }
        Ok(())
    }

    pub(crate) fn into_body(self) -> io::Result<Body> {
        Ok(match self {
            Self::Memory(bytes) => Bytes::from(bytes).into(),
            Self::Spilled { file, .. } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.into_blob()?.into()
            }
            Self::Counted(_) => Body::empty(),
            Self::Blob(blob) => blob.into(),
        })
    }
}

impl Default for Collected {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
