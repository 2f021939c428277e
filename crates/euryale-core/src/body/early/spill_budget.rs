//! A budget for the files of early answers.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::spill::{SpillFile, SpillStore};
use crate::body::{Descriptor, Descriptors};
use crate::ledger::{GaugeGuard, Ledger};

/// Unnamed files in one folder, bounded by the length of all of them together.
///
/// Clones share one budget. A file is charged until its client has read it or has disconnected.
/// Nothing waits for the budget: an answer without room for a file keeps its worker until its
/// client has read.
///
/// ```
/// use euryale_core::Ledger;
/// use euryale_core::body::{EarlyAnswers, SpillBudget};
///
/// let files = SpillBudget::new(std::env::temp_dir(), 8 << 30, &Ledger::new());
/// let early = EarlyAnswers::new().spill(files).bound(1 << 30);
/// # drop(early);
/// ```
#[derive(Clone)]
#[must_use]
pub struct SpillBudget {
    shared: Arc<Shared>,
    descriptors: Option<Descriptors>,
}

struct Shared {
    folder: PathBuf,
    most: u64,
    used: AtomicU64,
    ledger: Ledger,
}

impl SpillBudget {
    /// Files in `folder` of at most `bytes` together, counted in `ledger`.
    pub fn new(folder: impl Into<PathBuf>, bytes: u64, ledger: &Ledger) -> Self {
        Self {
            shared: Arc::new(Shared {
                folder: folder.into(),
                most: bytes,
                used: AtomicU64::new(0),
                ledger: ledger.clone(),
            }),
            descriptors: None,
        }
    }

    /// Takes a descriptor of this budget for each file. Default: there is no bound but the
    /// system's.
    pub fn descriptors(mut self, descriptors: &Descriptors) -> Self {
        self.descriptors = Some(descriptors.clone());
        self
    }
}

impl SpillStore for SpillBudget {
    fn create(&self) -> io::Result<Option<Arc<dyn SpillFile>>> {
        let descriptor = match &self.descriptors {
            None => None,
            Some(descriptors) => match descriptors.take(1) {
                Ok(descriptor) => Some(descriptor),
                Err(_) => return Ok(None),
            },
        };
        let charged = Charged {
            file: tempfile::tempfile_in(&self.shared.folder)?,
            bytes: AtomicU64::new(0),
            shared: Arc::clone(&self.shared),
            _descriptor: descriptor,
            _counted: GaugeGuard::new(&self.shared.ledger.early_answers.files, 1),
        };
        Ok(Some(Arc::new(charged)))
    }
}

/// One file, and its share of the budget. The file is closed first.
struct Charged {
    file: File,
    bytes: AtomicU64,
    shared: Arc<Shared>,
    _descriptor: Option<Descriptor>,
    _counted: GaugeGuard,
}

impl SpillFile for Charged {
    fn file(&self) -> &File {
        &self.file
    }

    fn reserve(&self, len: u64) -> bool {
        // Only the answer's own worker reserves for it.
        let more = len.saturating_sub(self.bytes.load(Relaxed));
        let Shared { most, used, .. } = &*self.shared;
        let taken = used.fetch_update(Relaxed, Relaxed, |used| {
            used.checked_add(more).filter(|sum| sum <= most)
        });
        if taken.is_ok() {
            self.bytes.fetch_add(more, Relaxed);
            let figures = &self.shared.ledger.early_answers;
            figures.file_bytes.add(signed(more));
        }
        taken.is_ok()
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Relaxed);
        self.shared.used.fetch_sub(bytes, Relaxed);
        let figures = &self.shared.ledger.early_answers;
        figures.file_bytes.add(-signed(bytes));
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl fmt::Debug for SpillBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillBudget")
            .field("folder", &self.shared.folder)
            .field("most", &self.shared.most)
            .field("used", &self.shared.used.load(Relaxed))
            .finish_non_exhaustive()
    }
}
