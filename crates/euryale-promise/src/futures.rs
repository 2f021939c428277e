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
    /// Asks for `key` in the next pass. Submitted twice in one pass, the second promise takes the
    /// place of the first.
    ///
    /// # Errors
    /// It is resolved already.
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
        // One that is shared and there already is not an error: it is a result from now on.
        self.submit_job(key, || asynchronous(promise), true);
        Ok(())
    }

    /// What `key` resolved to in a pass before.
    ///
    /// # Errors
    /// Never asked for; asked for in this pass; or resolved to a failure.
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

    /// What `key` resolved to in a pass before. When it was not asked for yet, it is now, and the
    /// result is `placeholder`.
    ///
    /// # Errors
    /// Asked for in this pass already, for which there is no placeholder a second time; or resolved
    /// to a failure.
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

    /// Drops what was asked for under `key` in this pass. `false`: nothing was.
    pub fn cancel<T: Send + Sync + 'static>(&self, key: impl Into<Key<T>>) -> bool {
        let key = key.into().id();
        let cancelled = self.attempt().with(|asks: &mut Asks| {
            let at = asks.asked.iter().position(|ask| ask.key == key);
            at.map(|at| asks.asked.remove(at))
        });
        cancelled.is_some()
    }

    /// Forgets what `key` resolved to, in this pass and those after it; it can be submitted again.
    /// `false`: it was not resolved.
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

    /// [`cancel`](Promises::cancel) and [`clear`](Promises::clear). `false`: there was neither.
    pub fn reset<T: Send + Sync + 'static>(&self, key: impl Into<Key<T>>) -> bool {
        let key = key.into();
        let cancelled = self.cancel(key.clone());
        self.clear(key) || cancelled
    }
}
