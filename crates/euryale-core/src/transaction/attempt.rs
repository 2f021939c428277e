//! A single publication of a request, and the history before it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Abort, drop_each_quietly};
use crate::transaction::Access;

/// The history of a request before the current publication.
///
/// It is a value in the request's extensions. Layers that publish again replace it and never change
/// it in place: tower's `Retry` clones a request, and a clone would share the target of an `Arc` in
/// its extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// Attempts that ended in a conflict, in all passes.
    pub conflicts: u32,
    /// Passes that ended with a suspension.
    pub suspensions: u32,
    /// Whether an earlier attempt has written, so that the next one begins with [`Access::Write`]
    /// for any method.
    pub wrote: bool,
    /// The current publication is the last attempt of an [exclusive
    /// rule](crate::transaction::ConflictRule::exclusive).
    pub exclusive: bool,
}

impl History {
    /// Returns whether this request is queued again after an attempt. If so, it was already
    /// admitted and goes ahead of new work.
    pub fn is_again(&self) -> bool {
        self.conflicts > 0 || self.suspensions > 0
    }

    /// Returns this history after one more attempt that ended in a conflict; `wrote` is the result
    /// of [`Error::wrote`](crate::error::Error::wrote).
    #[must_use]
    pub fn after_conflict(self, wrote: bool) -> Self {
        Self {
            conflicts: self.conflicts + 1,
            wrote: self.wrote || wrote,
            exclusive: false,
            ..self
        }
    }

    /// Returns this history after one more pass that ended in a suspension.
    #[must_use]
    pub fn after_suspension(self) -> Self {
        Self {
            suspensions: self.suspensions + 1,
            exclusive: false,
            ..self
        }
    }

    /// Returns the access with which a publication of a request with this method and history
    /// begins.
    pub fn access(&self, method: &http::Method) -> Access {
        if self.wrote {
            Access::Write
        } else {
            Access::of(method)
        }
    }
}

/// One publication: its numbers, and the values that it collected for outer layers.
///
/// Created for every publication, so that the next attempt sees nothing of an aborted one. It is in
/// the request's extensions and is returned by
/// [`Transaction::attempt`](crate::transaction::Transaction::attempt); clones are handles to the
/// same attempt.
#[derive(Clone)]
pub struct Attempt {
    shared: Arc<Record>,
}

struct Record {
    history: History,
    state: Mutex<Attached>,
}

#[derive(Default)]
struct Attached {
    slots: HashMap<TypeId, Box<dyn Any + Send>>,
    gates: Vec<Box<dyn CommitGate>>,
}

impl Attempt {
    /// Creates the attempt that follows `history`.
    pub fn new(history: History) -> Self {
        Self {
            shared: Arc::new(Record {
                history,
                state: Mutex::default(),
            }),
        }
    }

    /// Returns the number of this attempt of its request, from 1, which grows with each conflict.
    pub fn number(&self) -> u32 {
        self.shared.history.conflicts + 1
    }

    /// Returns the number of this pass, from 1, which grows with each suspension.
    pub fn pass(&self) -> u32 {
        self.shared.history.suspensions + 1
    }

    /// Returns the history before this attempt.
    pub fn history(&self) -> History {
        self.shared.history
    }

    /// Runs `f` on this attempt's slot for `T`, which is created with `T::default()` at its first
    /// use.
    ///
    /// `f` may use the attempt; a nested use of the same slot finds it empty, and its value is
    /// lost.
    pub fn with<T: Default + Send + 'static, R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let kept = self.lock().slots.remove(&TypeId::of::<T>());
        let mut slot = kept
            .and_then(|slot| slot.downcast::<T>().ok())
            .unwrap_or_default();
        let result = f(&mut slot);
        self.lock().slots.insert(TypeId::of::<T>(), slot);
        result
    }

    /// Adds a gate that is checked before this attempt is committed.
    pub fn gate(&self, gate: impl CommitGate) {
        self.lock().gates.push(Box::new(gate));
    }

    /// Checks every gate that has not been checked yet, in the order in which they were added.
    pub(crate) fn check_gates(&self) -> Result<(), Abort> {
        let gates = std::mem::take(&mut self.lock().gates);
        gates.iter().try_for_each(|gate| gate.check(self))
    }

    /// Ends the attempt.
    pub(crate) fn close(&self) {
        let mut gates = std::mem::take(&mut self.lock().gates);
        drop_each_quietly(&mut gates);
    }

    fn lock(&self) -> MutexGuard<'_, Attached> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("history", &self.shared.history)
            .finish_non_exhaustive()
    }
}

/// A check after the publisher has returned and before anything is committed. It also runs for a
/// doomed transaction, whose answer would be sent.
///
/// It lets unresolved promises prevent a commit, although core does not depend on promises.
pub trait CommitGate: Send + Sync + 'static {
    /// Checks whether this attempt may be committed.
    ///
    /// # Errors
    /// The [`Abort`] that replaces the publisher's response.
    fn check(&self, attempt: &Attempt) -> Result<(), Abort>;
}

impl<F> CommitGate for F
where
    F: Fn(&Attempt) -> Result<(), Abort> + Send + Sync + 'static,
{
    fn check(&self, attempt: &Attempt) -> Result<(), Abort> {
        self(attempt)
    }
}
