//! The calls of Zope's `collective.futures`, under their names.

mod error;

use std::future::Future;
use std::sync::Arc;

use euryale_core::BoxError;

pub use self::error::{AlreadyResolved, NoResult};
use crate::asks::{Asks, pending};
use crate::promised::typed;
use crate::promises::asynchronous;
use crate::{Key, Promises};

impl Promises<'_> {
    /// Asks for `key` in the next pass. A second promise for the same key in one pass replaces the
    /// first.
    ///
    /// # Errors
    /// The key is already resolved.
    pub fn submit<T, E, F>(
        &self,
        key: impl Into<Key<T>>,
        promise: impl FnOnce() -> F + Send + 'static,
    ) -> Result<(), AlreadyResolved>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let key = key.into().id();
        if self.find(&key).is_some() {
            return Err(AlreadyResolved);
        }
        // A shared value that already exists is not an error: it is the result from now on.
        self.submit_job(key, || asynchronous(promise), true);
        Ok(())
    }

    /// Returns the result of `key` from an earlier pass.
    ///
    /// # Errors
    /// The key was never asked for, was asked for in this pass, or resolved to a failure.
    pub fn result<T: Send + Sync + 'static>(
        &self,
        key: impl Into<Key<T>>,
    ) -> Result<Arc<T>, NoResult> {
        let key = key.into().id();
        if let Some(value) = self.find(&key) {
            return typed(value).map_err(NoResult::Failed);
        }
        if self.attempt().with(|asks: &mut Asks| asks.is_asked(&key)) {
            return Err(NoResult::NotResolved(pending(self.attempt())));
        }
        Err(NoResult::NotSubmitted)
    }

    /// Returns the result of `key` from an earlier pass. If it has not been asked for yet, this
    /// asks for it and returns `placeholder`.
    ///
    /// # Errors
    /// The key was already asked for in this pass, so that there is no second placeholder; or it
    /// resolved to a failure.
    #[doc(alias = "resultOrSubmit")]
    pub fn result_or_submit<T, E, F>(
        &self,
        key: impl Into<Key<T>>,
        placeholder: T,
        promise: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Arc<T>, NoResult>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let key = key.into();
        match self.result(key.clone()) {
            Err(NoResult::NotSubmitted) => {
                match self.submit_job(key.id(), || asynchronous(promise), false) {
                    Some(shared) => typed(shared).map_err(NoResult::Failed),
                    None => Ok(Arc::new(placeholder)),
                }
            }
            known => known,
        }
    }

    /// Drops the promise for `key` of this pass. Returns `false` if there was none.
    pub fn cancel<T: Send + Sync + 'static>(&self, key: impl Into<Key<T>>) -> bool {
        let key = key.into().id();
        let cancelled = self.attempt().with(|asks: &mut Asks| {
            let at = asks.asked.iter().position(|ask| ask.key == key);
            at.map(|at| asks.asked.remove(at))
        });
        cancelled.is_some()
    }

    /// Drops the result of `key`, in this pass and later ones, so that it can be submitted again.
    /// Returns `false` if it was not resolved.
    pub fn clear<T: Send + Sync + 'static>(&self, key: impl Into<Key<T>>) -> bool {
        let key = key.into().id();
        let is_settled = self
            .scope()
            .is_some_and(|scope| scope.settled(&key).is_some());
        self.attempt().with(|asks: &mut Asks| {
            let found = asks.found.len();
            asks.found.retain(|(kept, _)| *kept != key);
            let was_settled = is_settled && !asks.cleared.contains(&key);
            if was_settled {
                asks.cleared.push(key);
            }
            was_settled || asks.found.len() < found
        })
    }

    /// Does both [`cancel`](Promises::cancel) and [`clear`](Promises::clear). Returns `false` if
    /// there was nothing to do.
    pub fn reset<T: Send + Sync + 'static>(&self, key: impl Into<Key<T>>) -> bool {
        let key = key.into();
        let cancelled = self.cancel(key.clone());
        self.clear(key) || cancelled
    }
}
