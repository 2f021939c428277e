//! A budget for all request bodies of a program.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use euryale_core::Error;
use euryale_core::body::{Descriptor, Descriptors};

use crate::SPOOL_BUSY;
use crate::settings::Settings;

/// Limits the memory and the files of all request bodies of a program together.
///
/// Clones share one budget. A [`SpoolLayer`](crate::SpoolLayer) has its own by default; a program
/// with several layers gives all of them the same budget, because they share one machine:
///
/// ```
/// use euryale_spool::{SpoolBudget, SpoolLayer};
///
/// let budget = SpoolBudget::new().memory(64 << 20).file_bytes(20 << 30);
/// let pages = SpoolLayer::new().budget(budget.clone());
/// let uploads = SpoolLayer::new().limit(1 << 30).budget(budget);
/// # drop((pages, uploads));
/// ```
///
/// A body is charged from its arrival until its last clone is dropped. This includes the time in
/// which its request waits in a queue, for a promise, or for its next attempt. Memory is charged by
/// the capacity of buffers, and includes the decoded fields of forms.
///
/// Nothing ever waits for the budget, so bodies cannot wait for each other:
///
/// * If no memory is left, a body is written to a file, however small it is.
/// * If the budget has no room for files either, the body is refused with [`SPOOL_BUSY`] (503). So
///   is a form if there is no memory for its decoded fields.
///
/// Large requests cannot lock out small ones: bodies above 16 KiB may use half of the memory, and
/// the fields of forms above 16 KiB seven eighths of it.
///
/// An arriving body has at most one piece in memory that is not charged: the piece that was read
/// last. Its size depends on the server; `euryale-server` reads less than 8 KiB at a time.
#[derive(Clone)]
#[must_use]
pub struct SpoolBudget {
    shared: Arc<Shared>,
    descriptors: Option<Descriptors>,
}

struct Shared {
    most: Amounts<u64>,
    used: Amounts<AtomicU64>,
}

impl Shared {
    fn of(most: Amounts<u64>) -> Self {
        let used = Amounts::default();
        Self { most, used }
    }
}

#[derive(Clone, Copy, Default)]
struct Amounts<T> {
    memory: T,
    files: T,
    file_bytes: T,
}

/// The share of the memory that may be in use after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// For data that can also be kept in a file.
    Half,
    /// For data that cannot be kept in a file: the texts of forms.
    #[cfg(feature = "forms")]
    Most,
    /// For small requests.
    All,
}

/// Requests of up to this many bytes may use all of the memory.
const SMALL: usize = 16 << 10;

impl Share {
    /// Returns the share for a body of this length.
    pub(crate) fn of_body(len: usize) -> Self {
        if len <= SMALL { Self::All } else { Self::Half }
    }

    /// The share for a form whose fields need this many bytes.
    #[cfg(feature = "forms")]
    pub(crate) fn of_fields(len: usize) -> Self {
        if len <= SMALL { Self::All } else { Self::Most }
    }

    fn of(self, memory: u64) -> u64 {
        match self {
            Self::Half => memory / 2,
            #[cfg(feature = "forms")]
            Self::Most => memory / 8 * 7,
            Self::All => memory,
        }
    }
}

impl SpoolBudget {
    /// Creates a budget of 16 MiB of memory, and 1,024 files with 8 GiB together.
    pub fn new() -> Self {
        let most = Amounts {
            memory: 16 << 20,
            files: 1024,
            file_bytes: 8 << 30,
        };
        Self {
            shared: Arc::new(Shared::of(most)),
            descriptors: None,
        }
    }

    fn of(self, most: Amounts<u64>) -> Self {
        Self {
            shared: Arc::new(Shared::of(most)),
            ..self
        }
    }

    /// Sets the maximum memory of all bodies together, in bytes. Returns a new budget, which shares
    /// nothing with this one. Default: 16 MiB.
    pub fn memory(self, bytes: usize) -> Self {
        let most = Amounts {
            memory: bytes as u64,
            ..self.shared.most
        };
        self.of(most)
    }

    /// Sets the maximum number of files. Each file needs a descriptor. Returns a new budget, which
    /// shares nothing with this one. Default: 1,024.
    pub fn files(self, files: usize) -> Self {
        let most = Amounts {
            files: files as u64,
            ..self.shared.most
        };
        self.of(most)
    }

    /// Sets the maximum length of all files together, in bytes. Returns a new budget, which shares
    /// nothing with this one. Default: 8 GiB.
    pub fn file_bytes(self, bytes: u64) -> Self {
        let most = Amounts {
            file_bytes: bytes,
            ..self.shared.most
        };
        self.of(most)
    }

    /// Also takes a descriptor from this budget for each file, and refuses a body if none is left.
    /// Default: only [`files`](Self::files) limits them.
    pub fn descriptors(mut self, descriptors: &Descriptors) -> Self {
        self.descriptors = Some(descriptors.clone());
        self
    }

    /// Returns the length of the longest body that fits into an empty budget. A longer one is
    /// always too large.
    pub(crate) fn longest_body(&self) -> u64 {
        let most = &self.shared.most;
        let in_a_file = if most.files == 0 { 0 } else { most.file_bytes };
        in_a_file.max(Share::Half.of(most.memory))
    }

    /// Returns the greatest size of a form's fields that fits into an empty budget.
    #[cfg(feature = "forms")]
    pub(crate) fn longest_text(&self) -> usize {
        usize::try_from(Share::Most.of(self.shared.most.memory)).unwrap_or(usize::MAX)
    }

    /// Returns whether there is room for a file of this length now.
    fn has_room(&self, length: u64) -> bool {
        let Shared { most, used } = &*self.shared;
        used.files.load(Relaxed) < most.files
            && used.file_bytes.load(Relaxed).saturating_add(length) <= most.file_bytes
    }
}

impl Default for SpoolBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SpoolBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { most, used } = &*self.shared;
        let of = |used: &AtomicU64, most: u64| format!("{} of {most}", used.load(Relaxed));
        f.debug_struct("SpoolBudget")
            .field("memory", &of(&used.memory, most.memory))
            .field("files", &of(&used.files, most.files))
            .field("file_bytes", &of(&used.file_bytes, most.file_bytes))
            .finish()
    }
}

/// Adds `more` unless that exceeds `most`.
fn take(used: &AtomicU64, more: u64, most: u64) -> bool {
    let taken = |used: u64| used.checked_add(more).filter(|sum| *sum <= most);
    used.fetch_update(Relaxed, Relaxed, taken).is_ok()
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl Settings {
    /// Refuses a body if its announced length does not fit now.
    pub(crate) fn expect(&self, announced: u64) -> Result<(), Error> {
        if announced <= self.memory as u64 || self.budget.has_room(announced) {
            Ok(())
        } else {
            Err(self.busy())
        }
    }

    /// Returns the error for a request for which the budget has no room, and counts it.
    pub(crate) fn busy(&self) -> Error {
        self.book.refused.add(1);
        Error::new(SPOOL_BUSY).telling(
            "The server is receiving as many requests as it can hold. Nothing of this one was \
             done: send it again in a moment.",
        )
    }
}

/// Memory that is charged to the budget until this is dropped.
pub(crate) struct MemoryCharge {
    settings: Arc<Settings>,
    bytes: usize,
}

impl MemoryCharge {
    /// Creates a charge of zero bytes.
    pub(crate) fn none(settings: &Arc<Settings>) -> Self {
        Self {
            settings: Arc::clone(settings),
            bytes: 0,
        }
    }

    #[cfg(feature = "forms")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Raises the charge to at least `bytes`, if `share` has room for that.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize, share: Share) -> bool {
        let more = bytes.saturating_sub(self.bytes) as u64;
        let Shared { most, used } = &*self.settings.budget.shared;
        if !take(&used.memory, more, share.of(most.memory)) {
            return false;
        }
        self.settings.book.memory.add(signed(more));
        self.bytes = self.bytes.max(bytes);
        true
    }

    /// Lowers the charge to at most `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let fewer = self.bytes.saturating_sub(bytes);
        if fewer > 0 {
            self.give_back(fewer as u64);
            self.bytes = bytes;
        }
    }

    /// Takes over the charge of `other`.
    #[cfg(feature = "forms")]
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    fn give_back(&self, bytes: u64) {
        let used = &self.settings.budget.shared.used.memory;
        used.fetch_sub(bytes, Relaxed);
        self.settings.book.memory.add(-signed(bytes));
    }
}

#[cfg(feature = "forms")]
impl fmt::Debug for MemoryCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryCharge({})", self.bytes)
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        self.give_back(self.bytes as u64);
    }
}

/// A file that is charged to the budget until this is dropped.
pub(crate) struct FileCharge {
    settings: Arc<Settings>,
    bytes: u64,
    descriptor: Option<Descriptor>,
}

impl FileCharge {
    /// Charges one empty file.
    ///
    /// # Errors
    /// `SPOOL_BUSY`: the maximum number of files is reached, or no descriptor is left.
    pub(crate) fn open(settings: &Arc<Settings>) -> Result<Self, Error> {
        let SpoolBudget {
            shared,
            descriptors,
        } = &settings.budget;
        let descriptor = descriptors.as_ref().map(|all| all.take(1)).transpose();
        let descriptor = descriptor.map_err(|_| settings.busy())?;
        if !take(&shared.used.files, 1, shared.most.files) {
            return Err(settings.busy());
        }
        settings.book.files.add(1);
        Ok(Self {
            settings: Arc::clone(settings),
            bytes: 0,
            descriptor,
        })
    }

    /// Takes the file's descriptor out of the charge, for the code that closes the file.
    pub(crate) fn take_descriptor(&mut self) -> Option<Descriptor> {
        self.descriptor.take()
    }

    /// Charges `more` bytes in the file.
    ///
    /// # Errors
    /// `SPOOL_BUSY`: all files together have reached their maximum length.
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Error> {
        let Shared { most, used } = &*self.settings.budget.shared;
        if !take(&used.file_bytes, more, most.file_bytes) {
            return Err(self.settings.busy());
        }
        self.settings.book.file_bytes.add(signed(more));
        self.bytes += more;
        Ok(())
    }
}

impl Drop for FileCharge {
    fn drop(&mut self) {
        let Shared { used, .. } = &*self.settings.budget.shared;
        used.files.fetch_sub(1, Relaxed);
        used.file_bytes.fetch_sub(self.bytes, Relaxed);
        let book = &self.settings.book;
        book.files.add(-1);
        book.file_bytes.add(-signed(self.bytes));
    }
}

/// A contiguous buffer that is charged by its capacity.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    charge: MemoryCharge,
}

/// The minimum capacity of a buffer, in bytes.
const LEAST: usize = 64;

impl Buffer {
    pub(crate) fn new(charge: MemoryCharge) -> Self {
        let bytes = Vec::new();
        Self { bytes, charge }
    }

    /// Appends `more` if `share` has room for it. The buffer grows by doubling, up to `most`.
    #[must_use]
    pub(crate) fn extend(&mut self, more: &[u8], most: usize, share: Share) -> bool {
        let needed = self.bytes.len() + more.len();
        let capacity = self.bytes.capacity();
        if needed > capacity {
            let wanted = needed.max(2 * capacity).max(LEAST);
            let wanted = wanted.min(most.max(needed));
            if !self.charge.grow(wanted, share) {
                return false;
            }
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        true
    }

    /// Reserves `capacity` bytes if `share` has room for that.
    pub(crate) fn reserve(&mut self, capacity: usize, share: Share) {
        let more = capacity.saturating_sub(self.bytes.len());
        if self.charge.grow(capacity, share) {
            self.bytes.reserve_exact(more);
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the contents, without spare capacity, and their charge.
    #[cfg(feature = "forms")]
    pub(crate) fn into_exact(mut self) -> (Vec<u8>, MemoryCharge) {
        self.bytes.shrink_to_fit();
        self.into_parts()
    }

    /// Returns the contents and their charge.
    pub(crate) fn into_parts(mut self) -> (Vec<u8>, MemoryCharge) {
        self.charge.shrink(self.bytes.capacity());
        (self.bytes, self.charge)
    }
}
