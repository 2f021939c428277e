//! The publisher's side.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::{Attempt, BoxError, Pending};

use crate::asks::{Ask, Asks, Job, Sharing, Terms, Value, gate};
use crate::key::KeyId;
use crate::scope::Scope;
use crate::{Key, PromiseError, Promised};

/// The promises of a request.
pub trait PromisesExt {
    /// The promises of this request, in this pass.
    fn promises(&self) -> Promises<'_>;
}

impl<B> PromisesExt for http::Request<B> {
    fn promises(&self) -> Promises<'_> {
        let attempt = self.extensions().get::<Attempt>().cloned();
        let attempt = attempt.unwrap_or_else(|| Attempt::new(Default::default()));
        Promises::new(attempt, self.extensions().get::<Scope>().cloned())
    }
}

/// The promises of a request in one pass, and the terms of what is asked through this handle.
///
/// [`deadline`](Promises::deadline), [`shared`](Promises::shared) and
/// [`stale_while_revalidate`](Promises::stale_while_revalidate) give handles with other terms:
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
/// transaction nor its connection, nor this handle. Move everything that it needs into it. It runs
/// after the pass was rolled back, at least once: after a conflict, what is resolved is kept, and
/// what is not is asked for again.
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
    pub(crate) fn new(attempt: Attempt, scope: Option<Scope>) -> Self {
        Self {
            attempt,
            scope,
            terms: Terms::default(),
            of: PhantomData,
        }
    }

    /// The number of this pass, from 1.
    pub fn pass(&self) -> u32 {
        self.attempt.pass()
    }

    /// What is asked for through the handle given back is resolved within this time of the end of
    /// the pass, its wait for a place to run in included, and else resolves to
    /// [`PromiseError::Elapsed`]. The request's own deadline may be sooner. Default: the layer's.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.terms.deadline = Some(within);
        self
    }

    /// What is asked for through the handle given back is resolved once for all requests that ask
    /// while it runs, and for those that ask within `fresh` of its end: these have it at once,
    /// without another pass.
    ///
    /// An error goes to the requests that wait for it, and is not kept, unless the layer has an
    /// [`error_ttl`](crate::RepublishLayer::error_ttl). A request sees one value in all its passes,
    /// however old it is by then. When all who wait for it have gone, it is cancelled.
    #[must_use]
    pub fn shared(mut self, fresh: Duration) -> Self {
        let stale = self
            .terms
            .shared
            .map_or(Duration::ZERO, |sharing| sharing.stale);
        self.terms.shared = Some(Sharing { fresh, stale });
        self
    }

    /// As [`shared`](Promises::shared), and a value that is older by at most `stale` is given at
    /// once all the same, while one promise brings a new one (RFC 5861 §3). If that fails, the old
    /// one is kept.
    #[must_use]
    pub fn stale_while_revalidate(mut self, stale: Duration) -> Self {
        let fresh = self
            .terms
            .shared
            .map_or(Duration::ZERO, |sharing| sharing.fresh);
        self.terms.shared = Some(Sharing { fresh, stale });
        self
    }

    /// Asks for what `promise` resolves to: there already, if it was asked for in a pass before or
    /// is shared, and else in the next pass. Asked twice in one pass, the first promise is kept and
    /// the second dropped.
    ///
    /// `promise` is called, and its future run, on the runtime, beside the others: it must not
    /// block.
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

    /// As [`ask`](Promises::ask), for code that blocks: it runs on one of the layer's few threads
    /// for it.
    ///
    /// It cannot be stopped. When its deadline passes or the client goes away, it keeps its thread
    /// until it returns, and what it returns is dropped; one that has not started never does.
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

    /// What all of these resolved to, in their order, or what ends this pass with `?`.
    ///
    /// For promises of one type. For promises of different types, ask for all of them and then call
    /// each one's [`ready`](Promised::ready).
    ///
    /// # Errors
    /// One is not resolved yet.
    pub fn all<T: Send + Sync + 'static>(
        &self,
        promised: impl IntoIterator<Item = Promised<'a, T>>,
    ) -> Result<Vec<Result<Arc<T>, PromiseError>>, Pending> {
        // All are asked for before one may end the pass: the iterator may be what asks.
        let promised: Vec<_> = promised.into_iter().collect();
        promised.into_iter().map(Promised::ready).collect()
    }

    /// This pass is the answer as it is: what is not resolved yet is dropped, and nothing stops the
    /// commit.
    ///
    /// Said again in each pass, and for what was asked for until now.
    #[doc(alias = "noLongerProvides")]
    pub fn serve_placeholders(&self) {
        // Dropped outside the slot: it may be anything.
        drop(self.attempt.with(|asks: &mut Asks| {
            asks.too_many = false;
            std::mem::take(&mut asks.asked)
        }));
    }

    pub(crate) fn ask_job<T: Send + Sync + 'static>(
        &self,
        key: KeyId,
        job: impl FnOnce() -> Job,
    ) -> Promised<'a, T> {
        let value = self.find(&key).or_else(|| self.submit_job(key, job, false));
        Promised::new(&self.attempt, value)
    }

    /// The value that this request has seen for `key`, or has to see.
    pub(crate) fn find(&self, key: &KeyId) -> Option<Value> {
        let settled = self.scope.as_ref().and_then(|scope| scope.settled(key));
        self.attempt.with(|asks: &mut Asks| {
            let settled = settled.filter(|_| !asks.cleared.contains(key));
            asks.find(key).or(settled).cloned()
        })
    }

    /// Puts `job` among what is asked for, unless it is there already or shared.
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
