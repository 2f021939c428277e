//! The publisher's handle on a promise.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use euryale_core::error::Pending;
use euryale_core::transaction::Attempt;

use crate::PromiseError;
use crate::asks::{Value, pending};

/// A promise, as this pass sees it: resolved, or asked for.
#[must_use = "a promise that nobody waits for stops the commit all the same: see `ready` and `get`"]
pub struct Promised<'a, T> {
    attempt: Attempt,
    value: Option<Value>,
    // Borrowed from the pass, like `Promises`, so the code of a promise cannot hold one.
    of: PhantomData<OfPass<'a, T>>,
}

impl<T: Send + Sync + 'static> Promised<'_, T> {
    pub(crate) fn new(attempt: &Attempt, value: Option<Value>) -> Self {
        Self {
            attempt: attempt.clone(),
            value,
            of: PhantomData,
        }
    }

    /// Returns the result, or an abort that ends this pass with `?`: the promises asked for so far
    /// are resolved, and then the request is published again.
    ///
    /// So ask for everything first, and call this afterwards: promises run side by side. Two lines
    /// `ask(..).ready()??` run one after the other, in a pass for each, and
    /// [`join`](crate::Promises::join) waits for several together. `.ready()??` also gives up when
    /// the promise failed; see [`PromiseError`].
    ///
    /// # Errors
    /// Not resolved yet.
    pub fn ready(self) -> Result<Result<Arc<T>, PromiseError>, Pending> {
        self.get().ok_or_else(|| pending(&self.attempt))
    }

    /// Returns the result, or `None` while it is unresolved, for a publisher that shows something
    /// else in the meantime.
    ///
    /// The pass is still thrown away at its end, and the request published again, unless the
    /// publisher says [`serve_placeholders`](crate::Promises::serve_placeholders).
    pub fn get(&self) -> Option<Result<Arc<T>, PromiseError>> {
        self.value.clone().map(typed)
    }
}

type OfPass<'a, T> = (&'a (), fn() -> T);

/// A key includes the type of its value, so the type matches.
pub(crate) fn typed<T: Send + Sync + 'static>(value: Value) -> Result<Arc<T>, PromiseError> {
    value?
        .downcast()
        .map_err(|_| PromiseError::failed("a promise resolved to another type"))
}

impl<T> fmt::Debug for Promised<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promised")
            .field("is_resolved", &self.value.is_some())
            .finish_non_exhaustive()
    }
}
