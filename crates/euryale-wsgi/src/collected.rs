//! The part of an answer that an application has sent so far.

use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;
use euryale_core::body::{EarlyAnswer, SpooledBody, UnnamedFile};
use euryale_core::{Blob, Body};

use crate::budget::{AnswerBudget, FileCharge, MemoryCharge};
use crate::failure::Incomplete;

/// The size of a write in bytes, because some applications yield single lines.
const BUFFER: usize = 64 << 10;

/// The minimum capacity of the buffer in memory, in bytes.
const LEAST: usize = 256;

/// Nothing ⇒ Memory at the first byte. Nothing or Memory ⇒ File when it would be longer than the
/// memory's share, or the budget has no memory left. HEAD uses Counted instead of these three, and
/// an open file of the application uses Blob. An answer that leaves early uses Leaving.
#[derive(Default)]
pub(crate) enum Collected {
    #[default]
    Nothing,
    Memory(Vec<u8>, MemoryCharge),
    File(Box<Spill>),
    /// Only the number of bytes is kept.
    Counted(u64),
    Blob(Blob),
    /// The answer has begun to leave; with the number of bytes so far.
    Leaving(EarlyAnswer, u64),
}

/// A file that is being written.
pub(crate) struct Spill {
    file: UnnamedFile,
    buffer: Vec<u8>,
    len: u64,
    // This is dropped last, so that the file is closed before it is uncounted.
    charge: FileCharge,
}

impl Collected {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Memory(bytes, _) => bytes.len() as u64,
            Self::File(spill) => spill.len,
            Self::Counted(len) => *len,
            Self::Blob(blob) => blob.len(),
            Self::Leaving(_, len) => *len,
        }
    }

    /// Adds to the number of bytes, and keeps none of them.
    pub(crate) fn count(&mut self, more: u64) {
        *self = Self::Counted(self.len() + more);
    }

    /// Adds `more` unless that may wait for the disk. Returns whether it was added.
    pub(crate) fn push_without_disk(
        &mut self,
        more: &[u8],
        memory: usize,
        budget: &AnswerBudget,
    ) -> Result<bool, Incomplete> {
        match self {
            Self::File(spill) if spill.needs_disk(more) => Ok(false),
            Self::File(spill) => spill.push(more).map(|()| true),
            _ => Ok(self.extend(more, memory, budget)),
        }
    }

    /// Adds `more` to the file, and creates it at the first call.
    pub(crate) fn push_to_disk(
        &mut self,
        more: &[u8],
        memory: usize,
        budget: &AnswerBudget,
    ) -> Result<(), Incomplete> {
        if let Self::File(spill) = self {
            return spill.push(more);
        }
        let mut spill = Spill::create(budget)?;
        if let Self::Memory(bytes, _) = self {
            spill.push(bytes)?;
        }
        spill.push(more)?;
        if spill.len <= memory as u64 {
            budget.book().spilled.add(1);
        }
        *self = Self::File(Box::new(spill));
        Ok(())
    }

    /// Adds `more` in memory, if it stays within `memory` bytes and the budget has room.
    fn extend(&mut self, more: &[u8], memory: usize, budget: &AnswerBudget) -> bool {
        if let Self::Nothing = self {
            *self = Self::Memory(Vec::new(), MemoryCharge::none(budget));
        }
        let Self::Memory(bytes, charge) = self else {
            return false;
        };
        let needed = bytes.len() + more.len();
        if needed > memory {
            return false;
        }
        let capacity = bytes.capacity();
        if needed > capacity {
            let wanted = needed.max(2 * capacity).max(LEAST).min(memory);
            if !charge.grow(wanted) {
                return false;
            }
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(more);
        true
    }

    /// Returns whether [`into_body`](Self::into_body) may wait for the disk.
    pub(crate) fn needs_disk(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Returns the body. Its charge is returned when it is dropped.
    pub(crate) fn into_body(self) -> io::Result<Body> {
        Ok(match self {
            Self::Nothing | Self::Counted(_) | Self::Leaving(..) => Body::empty(),
            Self::Memory(bytes, charge) => SpooledBody::from(Bytes::from(bytes))
                .held_with(charge)
                .into(),
            Self::File(spill) => spill.into_body()?,
            Self::Blob(blob) => blob.into(),
        })
    }
}

impl Spill {
    fn create(budget: &AnswerBudget) -> Result<Self, Incomplete> {
        let charge = FileCharge::open(budget)?;
        Ok(Self {
            file: UnnamedFile::create(budget.folder())?,
            buffer: Vec::with_capacity(BUFFER),
            len: 0,
            charge,
        })
    }

    fn needs_disk(&self, more: &[u8]) -> bool {
        self.buffer.len() + more.len() > BUFFER
    }

    /// Adds `more` to the buffer, or writes it after the buffer's bytes.
    fn push(&mut self, more: &[u8]) -> Result<(), Incomplete> {
        let len = self.len + more.len() as u64;
        self.charge.grow(len)?;
        if self.needs_disk(more) {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        if more.len() >= BUFFER {
            self.file.write_all(more)?;
        } else {
            self.buffer.extend_from_slice(more);
        }
        self.len = len;
        Ok(())
    }

    fn into_body(mut self) -> io::Result<Body> {
        self.file.write_all(&self.buffer)?;
        let mut charge = self.charge;
        charge.shrink(self.len);
        let mut blob = self.file.into_blob()?;
        if let Some(descriptor) = charge.take_descriptor() {
            blob = blob.counted(descriptor);
        }
        Ok(SpooledBody::from(blob).held_with(charge).into())
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
