//! A budget for all answers of a server.

mod charge;
mod spill;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use euryale_core::Ledger;
use euryale_core::body::{Descriptor, Descriptors, NoDescriptor};
use euryale_core::error::Seldom;

pub(crate) use self::charge::{FileCharge, MemoryCharge};
use crate::WsgiBook;

/// Limits the memory and the files of all answers of a server together.
///
/// Clones share one budget. An answer is charged while the application produces it, and until its
/// client has read it or has disconnected. Answers that are the application's own files take only a
/// descriptor.
///
/// Nothing ever waits for the budget, so answers cannot wait for each other:
///
/// * If no memory is left, an answer goes to a file, however small it is.
/// * If no room is left for its file, an answer is given up
///   ([`Incomplete::NoRoom`](crate::Incomplete::NoRoom)). The same happens if no descriptor is left
///   ([`Incomplete::NoDescriptor`](crate::Incomplete::NoDescriptor)).
///
/// Large answers cannot lock out small ones: answers above 16 KiB may use half of the memory.
///
/// An answer that leaves early is charged for its window, of 64 KiB by default. If there is no room
/// for that, its window has 4 KiB, which are not charged.
///
/// A worker that writes a file uses another 64 KiB of memory, which are not charged. Neither are
/// the 64 KiB that are read from a file at a time, and the server's buffers of each socket.
///
/// ```
/// use euryale_core::Ledger;
/// use euryale_core::body::Descriptors;
/// use euryale_wsgi::AnswerBudget;
///
/// let ledger = Ledger::new();
/// let budget = AnswerBudget::new()
///     .memory(64 << 20)
///     .file_bytes(20 << 30)
///     .descriptors(&Descriptors::new(1000, &ledger))
///     .ledger(&ledger);
/// # drop(budget);
/// ```
#[derive(Clone)]
#[must_use]
pub struct AnswerBudget {
    shared: Arc<SharedBudget>,
}

#[derive(Clone)]
struct BudgetSettings {
    memory: u64,
    file_bytes: u64,
    directory: PathBuf,
    descriptors: Option<Descriptors>,
    book: Arc<WsgiBook>,
}

struct SharedBudget {
    settings: BudgetSettings,
    memory: AtomicU64,
    file_bytes: AtomicU64,
    descriptors: Descriptors,
    refusals: Seldom,
}

/// The budget has no room for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Answers of up to this many bytes may use all of the memory.
const SMALL: usize = 16 << 10;

/// The maximum number of files, unless the program counts descriptors.
const FILES: usize = 1024;

impl AnswerBudget {
    /// Creates a budget of 64 MiB of memory, and 1,024 files with 8 GiB together in the system's
    /// folder for temporary files.
    pub fn new() -> Self {
        Self::of(BudgetSettings {
            memory: 64 << 20,
            file_bytes: 8 << 30,
            directory: std::env::temp_dir(),
            descriptors: None,
            book: Arc::default(),
        })
    }

    fn of(settings: BudgetSettings) -> Self {
        let own = || Descriptors::new(FILES, &Ledger::new());
        let descriptors = settings.descriptors.clone().unwrap_or_else(own);
        Self {
            shared: Arc::new(SharedBudget {
                settings,
                memory: AtomicU64::new(0),
                file_bytes: AtomicU64::new(0),
                descriptors,
                refusals: Seldom::new(),
            }),
        }
    }

    /// Returns a new budget with changed settings, which shares nothing with this one.
    fn with(&self, change: impl FnOnce(&mut BudgetSettings)) -> Self {
        let mut settings = self.shared.settings.clone();
        change(&mut settings);
        Self::of(settings)
    }

    /// Sets the memory of all answers together, in bytes. Returns a new budget, which shares
    /// nothing with this one. Default: 64 MiB.
    pub fn memory(self, bytes: u64) -> Self {
        self.with(|settings| settings.memory = bytes)
    }

    /// Sets the length of all files together, in bytes. Returns a new budget, which shares nothing
    /// with this one. Default: 8 GiB.
    pub fn file_bytes(self, bytes: u64) -> Self {
        self.with(|settings| settings.file_bytes = bytes)
    }

    /// Sets the folder of the files, which have no names. Returns a new budget, which shares
    /// nothing with this one. Default: the system's folder for temporary files, which on some
    /// systems is in memory.
    pub fn directory(self, folder: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.directory = folder.into())
    }

    /// Takes a descriptor from this budget for each file, including the application's own files,
    /// and gives up an answer if none is left. Returns a new budget, which shares nothing with this
    /// one. Default: 1,024 of its own.
    pub fn descriptors(self, descriptors: &Descriptors) -> Self {
        self.with(|settings| settings.descriptors = Some(descriptors.clone()))
    }

    /// Counts in this ledger. Returns a new budget, which shares nothing with this one. Default: a
    /// ledger of its own.
    pub fn ledger(self, ledger: &Ledger) -> Self {
        self.with(|settings| settings.book = ledger.of())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.shared.settings.directory
    }

    pub(crate) fn book(&self) -> &WsgiBook {
        &self.shared.settings.book
    }

    /// Takes a descriptor for one file. A refusal is logged here.
    pub(crate) fn descriptor(&self) -> Result<Descriptor, NoDescriptor> {
        let taken = self.shared.descriptors.take(1);
        taken.inspect_err(|_| self.book().refused.add(1))
    }

    /// Refuses an answer whose announced length does not fit now.
    pub(crate) fn expect(&self, announced: u64, memory: usize) -> Result<(), NoRoom> {
        let used = self.shared.file_bytes.load(Relaxed);
        let fits = used.saturating_add(announced) <= self.shared.settings.file_bytes;
        if announced <= memory as u64 || fits {
            Ok(())
        } else {
            Err(self.refuse())
        }
    }

    /// The budget has no room for an answer.
    fn refuse(&self) -> NoRoom {
        self.book().refused.add(1);
        if let Some(left_out) = self.shared.refusals.due(Instant::now()) {
            tracing::warn!(
                left_out,
                most = self.shared.settings.file_bytes,
                folder = %self.folder().display(),
                "answers that are not read yet fill their files: others are refused; raise \
                 response_disk, or answer with files through wsgi.file_wrapper"
            );
        }
        NoRoom
    }
}

impl Default for AnswerBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AnswerBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &*self.shared;
        let of = |used: &AtomicU64, most: u64| format!("{} of {most}", used.load(Relaxed));
        f.debug_struct("AnswerBudget")
            .field("memory", &of(&shared.memory, shared.settings.memory))
            .field(
                "file_bytes",
                &of(&shared.file_bytes, shared.settings.file_bytes),
            )
            .finish_non_exhaustive()
    }
}
