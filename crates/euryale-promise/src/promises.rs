//! The publisher's interface to promises.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::BoxError;
use euryale_core::error::Pending;
use euryale_core::request::RequestContext;
use euryale_core::transaction::Attempt;

use crate::asks::{Ask, Asks, Job, Sharing, Terms, Value, gate, pending};
use crate::key::KeyId;
use crate::scope::Scope;
use crate::{Key, PromiseError, Promised, UnboundPromises};

/// The promises of a request.
pub trait PromisesExt {
    /// Returns the promises of this request, in this pass.
    fn promises(&self) -> Promises<'_>;
}

impl<B> PromisesExt for http::Request<B> {
    fn promises(&self) -> Promises<'_> {
        let attempt = self.extensions().get::<Attempt>().cloned();
        let attempt = attempt.unwrap_or_else(|| Attempt::new(Default::default()));
        let scope = RequestContext::get::<Scope>(self.extensions()).cloned();
        Promises::new(attempt, scope, Terms::default())
    }
}

/// The promises of a request in one pass, and the terms for promises made through this handle.
///
/// [`deadline`](Promises::deadline), [`shared`](Promises::shared) and
/// [`stale_while_revalidate`](Promises::stale_while_revalidate) return handles with other terms:
///
/// ```
/// use std::time::Duration;
///
/// use euryale_core::{Abort, Request};
/// use euryale_promise::{Key, PromisesExt};
///
/// const RATE: Key<f64> = Key::new("rate");
/// # async fn fetch(_: String) -> std::io::Result<f64> { Ok(1.0) }
///
/// fn rate(request: &Request, currency: &str) -> Result<f64, Abort> {
///     let (key, currency) = (RATE.with(currency), currency.to_owned());
///     let hourly = request.promises().shared(Duration::from_secs(3600));
///     Ok(*hourly.ask(key, || fetch(currency)).ready()??)
/// }
/// # let _ = rate;
/// ```
///
/// The code of a promise gets no argument and outlives the pass, so it can hold neither the
/// transaction, nor its connection, nor this handle. Move everything that it needs into its
/// closure. It runs after the pass was rolled back, at least once: after a conflict, resolved
/// promises are kept, and the others are asked for again.
#[doc(alias = "IPromises")]
#[doc(alias = "IFutures")]
#[derive(Clone)]
pub struct Promises<'a> {
    attempt: Attempt,
    scope: Option<Scope>,
    terms: Terms,
    of: PhantomData<&'a ()>,
}

impl<'a> Promises<'a> {
    pub(crate) fn new(attempt: Attempt, scope: Option<Scope>, terms: Terms) -> Self {
        Self {
            attempt,
            scope,
            terms,
            of: PhantomData,
        }
    }

    /// Returns the number of this pass, from 1.
    pub fn pass(&self) -> u32 {
        self.attempt.pass()
    }

    /// Returns a handle whose promises have this deadline, counted from the end of the pass and
    /// including the wait for a place to run. After it they resolve to [`PromiseError::Elapsed`].
    /// The request's own deadline may be sooner. Default: the layer's.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.terms.deadline = Some(within);
        self
    }

    /// Returns a handle whose promises are shared. Such a promise is resolved once for all requests
    /// that ask while it runs. For the time `fresh` after that, requests get the value at once,
    /// without another pass.
    ///
    /// An error is passed to the requests that wait for it, and is not kept, unless the layer has
    /// an [`error_ttl`](crate::RepublishLayer::error_ttl). A request sees the same value in all its
    /// passes, however old the value is by then. A promise is cancelled when no request waits for
    /// it any more.
    #[must_use]
    pub fn shared(mut self, fresh: Duration) -> Self {
        let stale = self
            .terms
            .shared
            .map_or(Duration::ZERO, |sharing| sharing.stale);
        self.terms.shared = Some(Sharing { fresh, stale });
        self
    }

    /// Like [`shared`](Promises::shared). In addition, for the time `stale` after `fresh`, requests
    /// still get the old value at once while one promise fetches a new one (RFC 5861 §3). If that
    /// fails, the old value is kept.
    #[must_use]
    pub fn stale_while_revalidate(mut self, stale: Duration) -> Self {
        let fresh = self
            .terms
            .shared
            .map_or(Duration::ZERO, |sharing| sharing.fresh);
        self.terms.shared = Some(Sharing { fresh, stale });
        self
    }

    /// Asks for the result of `promise`. The result is available at once if an earlier pass asked
    /// for it or a shared value exists, and otherwise in the next pass. If a pass asks twice for
    /// the same key, the second promise is dropped.
    ///
    /// `promise` is called and its future runs on the runtime, concurrently with the others. It
    /// must not block.
    pub fn ask<T, E, F>(
        &self,
        key: impl Into<Key<T>>,
        promise: impl FnOnce() -> F + Send + 'static,
    ) -> Promised<'a, T>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.ask_job(key.into().id(), || asynchronous(promise))
    }

    /// Like [`ask`](Promises::ask), for code that blocks. It runs on one of the layer's threads for
    /// blocking promises.
    ///
    /// Running code cannot be stopped. If its deadline passes or the client leaves, it keeps its
    /// thread until it returns, and its result is dropped. If it has not started by then, it never
    /// does.
    pub fn ask_blocking<T, E>(
        &self,
        key: impl Into<Key<T>>,
        promise: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Promised<'a, T>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
    {
        self.ask_job(key.into().id(), || blocking(promise))
    }

    /// Returns the results of all these promises in order, or an abort that ends this pass with
    /// `?`.
    ///
    /// All promises have the same type. For promises of different types use
    /// [`join`](Promises::join), or ask for all of them and then call [`ready`](Promised::ready) on
    /// each.
    ///
    /// # Errors
    /// A promise is not resolved yet.
    pub fn all<T: Send + Sync + 'static>(
        &self,
        promised: impl IntoIterator<Item = Promised<'a, T>>,
    ) -> Result<Vec<Result<Arc<T>, PromiseError>>, Pending> {
        // The iterator may ask for the promises, so it is read to its end before one of them may
        // end the pass.
        let promised: Vec<_> = promised.into_iter().collect();
        promised.into_iter().map(Promised::ready).collect()
    }

    /// Makes this pass the answer. Unresolved promises are dropped and do not prevent the commit.
    ///
    /// Call it in each pass; it applies to the promises that were asked for so far.
    #[doc(alias = "noLongerProvides")]
    pub fn serve_placeholders(&self) {
        // The promises are dropped outside the slot, because their drops are the application's
        // code.
        drop(self.attempt.with(|asks: &mut Asks| {
            asks.too_many = false;
            std::mem::take(&mut asks.asked)
        }));
    }

    /// Returns an abort that ends this pass. The promises that were asked for so far are resolved,
    /// and then the request is published again; without any promise, it is at once.
    ///
    /// It is for publishers that end a pass without the promise at hand, such as a host whose
    /// application raises an exception. Others use [`Promised::ready`].
    #[must_use]
    pub fn suspend(&self) -> Pending {
        pending(&self.attempt)
    }

    /// Returns whether this pass has asked for promises that are unresolved, so that it is not the
    /// answer.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.attempt.with(|asks: &mut Asks| asks.is_pending())
    }

    /// Returns a handle without the lifetime of the request. It has the same terms.
    #[must_use]
    pub fn unbound(&self) -> UnboundPromises {
        UnboundPromises::new(self.attempt.clone(), self.scope.clone(), self.terms)
    }

    pub(crate) fn ask_job<T: Send + Sync + 'static>(
        &self,
        key: KeyId,
        job: impl FnOnce() -> Job,
    ) -> Promised<'a, T> {
        let value = self.find(&key).or_else(|| self.submit_job(key, job, false));
        Promised::new(&self.attempt, value)
    }

    /// Returns the value of `key` that this request has seen or will see.
    pub(crate) fn find(&self, key: &KeyId) -> Option<Value> {
        let settled = self.scope.as_ref().and_then(|scope| scope.settled(key));
        self.attempt.with(|asks: &mut Asks| {
            let settled = settled.filter(|_| !asks.cleared.contains(key));
            asks.find(key).or(settled).cloned()
        })
    }

    /// Adds `job` to the promises of this pass, unless it is already among them or shared.
    pub(crate) fn submit_job(
        &self,
        key: KeyId,
        job: impl FnOnce() -> Job,
        replace: bool,
    ) -> Option<Value> {
        if self.attempt.with(|asks: &mut Asks| asks.is_asked(&key)) && !replace {
            return None;
        }
        let job = job();
        let (value, job) = match (&self.scope, self.terms.shared) {
            (Some(scope), Some(sharing)) => scope.shared(&key, job, self.terms, sharing),
            _ => (None, Some(job)),
        };
        let settled = self.scope.as_ref().map_or(0, Scope::settled_len);
        let limit = self.scope.as_ref().map_or(usize::MAX, Scope::limit);
        let replaced = self.attempt.with(|asks: &mut Asks| {
            let at = asks.asked.iter().position(|ask| ask.key == key);
            let replaced = at.map(|at| asks.asked.remove(at));
            let kept = settled.saturating_sub(asks.cleared.len());
            if kept + asks.found.len() + asks.asked.len() >= limit {
                asks.too_many = true;
            } else if let Some(value) = value.clone() {
                asks.found.push((key, value));
            } else if let Some(job) = job {
                asks.asked.push(Ask {
                    key,
                    job,
                    terms: self.terms,
                });
            }
            replaced
        });
        drop(replaced);
        gate(&self.attempt);
        value
    }

    #[cfg(feature = "futures")]
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    #[cfg(feature = "futures")]
    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }
}

pub(crate) fn asynchronous<T, E, F>(promise: impl FnOnce() -> F + Send + 'static) -> Job
where
    T: Send + Sync + 'static,
    E: Into<BoxError>,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    Job::Async(Box::new(|| {
        let promise = promise();
        Box::pin(async move { erased(promise.await) })
    }))
}

fn blocking<T, E>(promise: impl FnOnce() -> Result<T, E> + Send + 'static) -> Job
where
    T: Send + Sync + 'static,
    E: Into<BoxError>,
{
    Job::Blocking(Box::new(|| erased(promise())))
}

fn erased<T: Send + Sync + 'static, E: Into<BoxError>>(result: Result<T, E>) -> Value {
    match result {
        Ok(value) => Ok(Arc::new(value)),
        Err(error) => Err(PromiseError::failed(error)),
    }
}

impl fmt::Debug for Promises<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promises")
            .field("attempt", &self.attempt)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
