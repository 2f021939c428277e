//! The charges of one answer.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use euryale_core::body::{Descriptor, NoDescriptor};

use super::{AnswerBudget, NoRoom, SMALL};

/// Files are charged in steps of this many bytes, because some applications yield single lines.
const STEP: u64 = 64 << 10;

/// Adds `more` unless that exceeds `most`.
fn take(used: &AtomicU64, more: u64, most: u64) -> bool {
    let taken = |used: u64| used.checked_add(more).filter(|sum| *sum <= most);
    used.fetch_update(Relaxed, Relaxed, taken).is_ok()
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Memory that is charged to the budget until this is dropped.
pub(crate) struct MemoryCharge {
    budget: AnswerBudget,
    bytes: usize,
}

impl MemoryCharge {
    /// Creates a charge of zero bytes.
    pub(crate) fn none(budget: &AnswerBudget) -> Self {
        Self {
            budget: budget.clone(),
            bytes: 0,
        }
    }

    /// Raises the charge to at least `bytes`, if there is room for that.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes) as u64;
        let shared = &self.budget.shared;
        let all = shared.settings.memory;
        let most = if bytes <= SMALL { all } else { all / 2 };
        if !take(&shared.memory, more, most) {
            return false;
        }
        self.budget.book().memory.add(signed(more));
        self.bytes = self.bytes.max(bytes);
        true
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        let bytes = self.bytes as u64;
        self.budget.shared.memory.fetch_sub(bytes, Relaxed);
        self.budget.book().memory.add(-signed(bytes));
    }
}

impl fmt::Debug for MemoryCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryCharge({})", self.bytes)
    }
}

/// A file that is charged to the budget until this is dropped.
pub(crate) struct FileCharge {
    budget: AnswerBudget,
    bytes: u64,
    descriptor: Option<Descriptor>,
}

impl FileCharge {
    /// Charges one file, which is still empty.
    pub(crate) fn open(budget: &AnswerBudget) -> Result<Self, NoDescriptor> {
        let descriptor = budget.descriptor()?;
        budget.book().files.add(1);
        Ok(Self {
            budget: budget.clone(),
            bytes: 0,
            descriptor: Some(descriptor),
        })
    }

    /// Returns the file's descriptor, for the code that closes the file.
    pub(crate) fn take_descriptor(&mut self) -> Option<Descriptor> {
        self.descriptor.take()
    }

    /// Raises the charge to at least `bytes`. A refusal is counted and logged.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), NoRoom> {
        if self.try_grow(bytes) {
            return Ok(());
        }
        Err(self.budget.refuse())
    }

    /// Raises the charge to at least `bytes`, if there is room for that.
    #[must_use]
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let shared = &self.budget.shared;
        // The charge grows in whole steps, unless only the exact number fits.
        let rounded = bytes.checked_next_multiple_of(STEP).unwrap_or(bytes);
        for wanted in [rounded, bytes] {
            let more = wanted - self.bytes;
            if take(&shared.file_bytes, more, shared.settings.file_bytes) {
                self.budget.book().file_bytes.add(signed(more));
                self.bytes = wanted;
                return true;
            }
        }
        false
    }

    /// Lowers the charge to at most `bytes`.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let fewer = self.bytes.saturating_sub(bytes);
        self.budget.shared.file_bytes.fetch_sub(fewer, Relaxed);
        self.budget.book().file_bytes.add(-signed(fewer));
        self.bytes -= fewer;
    }
}

impl Drop for FileCharge {
    fn drop(&mut self) {
        self.shrink(0);
        self.budget.book().files.add(-1);
    }
}
