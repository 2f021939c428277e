//! A budget for the files that requests have open, and a reserve for operators.

mod reserve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

pub use self::reserve::Reserve;
use crate::error::Seldom;
use crate::ledger::Ledger;

/// A budget of descriptors for the files that all requests of a program have open at the same time.
///
/// Clones share one budget. Code that opens a file on behalf of a request takes a [`Descriptor`]
/// first and holds it until the file is closed; [`Blob::counted`](crate::body::Blob::counted) ties
/// the two together. Beyond the budget a request is refused with
/// [`NO_DESCRIPTOR`](crate::error::NO_DESCRIPTOR) (503), before its transaction commits. So
/// requests never use up the descriptors that sockets, connections and operators need, and no call
/// in an unexpected place fails with `EMFILE`.
///
/// The budget never makes a request wait: a request that holds descriptors and waits for another
/// one could wait for itself.
///
/// ```
/// use euryale_core::body::Descriptors;
/// use euryale_core::{Blob, Ledger};
///
/// let descriptors = Descriptors::new(1, &Ledger::new());
/// let descriptor = descriptors.take(1)?;
/// let blob = Blob::new(tempfile::tempfile()?)?.counted(descriptor);
/// let clone = blob.clone(); // the same descriptor
/// assert!(descriptors.take(1).is_err());
/// drop((blob, clone));
/// assert!(descriptors.take(1).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Descriptors {
    shared: Arc<Budget>,
}

struct Budget {
    most: AtomicUsize,
    used: AtomicUsize,
    ledger: Ledger,
    refusals: Seldom,
}

impl Descriptors {
    /// Creates a budget of `most` descriptors, counted in `ledger.descriptors`.
    #[must_use]
    pub fn new(most: usize, ledger: &Ledger) -> Self {
        let shared = Budget {
            most: AtomicUsize::new(most),
            used: AtomicUsize::new(0),
            ledger: ledger.clone(),
            refusals: Seldom::new(),
        };
        shared.show(most);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Changes the budget to `most` descriptors. If more are in use, they stay in use, and no more
    /// are handed out until enough have been returned.
    pub fn allow(&self, most: usize) {
        self.shared.most.store(most, Relaxed);
        self.shared.show(most);
    }

    /// Takes all of `count` descriptors, or fails.
    ///
    /// # Errors
    /// Fewer than `count` are left.
    pub fn take(&self, count: usize) -> Result<Descriptor, NoDescriptor> {
        let shared = &self.shared;
        let most = shared.most.load(Relaxed);
        let taken = |used: usize| used.checked_add(count).filter(|sum| *sum <= most);
        match shared.used.fetch_update(Relaxed, Relaxed, taken) {
            Ok(_) => {
                shared.ledger.descriptors.in_use.add(signed(count));
                Ok(Descriptor {
                    shared: Arc::clone(shared),
                    count,
                })
            }
            Err(_) => {
                shared.ledger.descriptors.refused.add(1);
                shared.tell(most);
                Err(NoDescriptor)
            }
        }
    }

    /// Returns whether `error` means that no descriptor is left: in this budget, in the process
    /// (`EMFILE`) or in the system (`ENFILE`).
    #[must_use]
    pub fn are_exhausted(error: &io::Error) -> bool {
        /// `ENFILE` and `EMFILE`, which have the same numbers on every Unix.
        const CODES: [i32; 2] = [23, 24];
        let code = error.raw_os_error();
        code.is_some_and(|code| CODES.contains(&code)) || NoDescriptor::is_in(error)
    }
}

impl Budget {
    fn show(&self, most: usize) {
        self.ledger.descriptors.cap.set(signed(most));
    }

    fn tell(&self, most: usize) {
        if let Some(left_out) = self.refusals.due(Instant::now()) {
            tracing::warn!(
                left_out,
                most,
                "requests have as many files open as they may: those that need one more are \
                 answered 503; raise the process's limit of open files"
            );
        }
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors")
            .field("most", &self.shared.most)
            .field("used", &self.shared.used)
            .finish_non_exhaustive()
    }
}

/// One or several descriptors of a budget, which are returned when it is dropped.
#[must_use]
pub struct Descriptor {
    shared: Arc<Budget>,
    count: usize,
}

impl Descriptor {
    /// Returns all but `count` to the budget.
    pub fn keep(mut self, count: usize) -> Self {
        let kept = count.min(self.count);
        self.give_back(self.count - kept);
        self.count = kept;
        self
    }

    fn give_back(&self, count: usize) {
        self.shared.used.fetch_sub(count, Relaxed);
        self.shared.ledger.descriptors.in_use.add(-signed(count));
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.give_back(self.count);
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor").field(&self.count).finish()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A budget of [`Descriptors`] has none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDescriptor;

impl NoDescriptor {
    /// Returns whether `error` was made from this type.
    #[must_use]
    pub fn is_in(error: &io::Error) -> bool {
        let inner = error.get_ref();
        inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

impl fmt::Display for NoDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests have as many files open as they may")
    }
}

impl std::error::Error for NoDescriptor {}

impl From<NoDescriptor> for io::Error {
    fn from(refused: NoDescriptor) -> Self {
        Self::other(refused)
    }
}
