//! The publisher's handle to a promise.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use euryale_core::error::Pending;
use euryale_core::transaction::Attempt;

use crate::PromiseError;
use crate::asks::{Value, pending};

/// The state of a promise in this pass: resolved, or asked for.
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

    /// Returns the result, or an abort that ends this pass with `?`. The promises that were asked
    /// for so far are then resolved, and the request is published again.
    ///
    /// So ask for all promises first and call this afterwards, so that they run concurrently. Two
    /// lines with `ask(..).ready()??` run one after the other, each in its own pass;
    /// [`join`](crate::Promises::join) waits for several together. `.ready()??` also aborts if the
    /// promise has failed; see [`PromiseError`].
    ///
    /// # Errors
    /// The promise is not resolved yet.
    pub fn ready(self) -> Result<Result<Arc<T>, PromiseError>, Pending> {
        self.get().ok_or_else(|| pending(&self.attempt))
    }

    /// Returns the result, or `None` while the promise is unresolved. Use it to show something else
    /// until then.
    ///
    /// The pass is still discarded at its end, and the request is published again, unless the
    /// publisher calls [`serve_placeholders`](crate::Promises::serve_placeholders).
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
