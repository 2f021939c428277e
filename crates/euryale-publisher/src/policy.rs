//! When a conflict is worth another attempt: a policy for tower's `RetryLayer`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use euryale_core::error::CONFLICT;
use euryale_core::{Error, History, Ledger, Route};
use tokio::time::Sleep;
use tower::retry::Policy;

use crate::{CONFLICTS_EXHAUSTED, ConflictBook};

/// Publishes again after a conflict: by default 3 times, so 4 attempts, with a jittered pause that
/// holds no worker.
///
/// Attempt *n + 2* comes after a pause of uniform(0, 2ⁿ) · `base` (n from 0; ZPublisher's rule,
/// with a base that suits a database in the same process). The request goes ahead of new work, with
/// the same body and fresh extensions of the attempt; a request that met its conflict by writing
/// begins as a writer. Only errors with the code [`CONFLICT`] are retried, which are never returned
/// after a commit.
///
/// When the last attempt meets a conflict, too, the error has the code
/// [`CONFLICTS_EXHAUSTED`]: 503 with Retry-After.
///
/// Each request that met a conflict is counted once, by its [`Route`] and its end, and logged: at
/// INFO when it was answered in the end, at ERROR when it was not.
///
/// It is a policy for requests that are `Clone`. A request inside the cap is a `Publication`, which
/// is not, so a `RetryLayer` there does not compile: it would wait for a second permit while
/// holding one.
#[derive(Clone, Debug)]
#[doc(alias = "max-conflict-retries")]
#[must_use]
pub struct ConflictPolicy {
    retries: u32,
    base: Duration,
    book: Arc<ConflictBook>,
    /// How often this request was published again by this policy. Stays 0 in the layer.
    done: u32,
}

impl ConflictPolicy {
    /// 3 retries, base 10 ms.
    pub fn new() -> Self {
        Self {
            retries: 3,
            base: Duration::from_millis(10),
            book: Arc::default(),
            done: 0,
        }
    }

    /// How many times a request is published again. 0 retries nothing. Default: 3, as in Zope.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The unit of the pauses: at most 1, 2, 4 … times this. Default: 10 ms.
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what counts takes its ledger by value, here as everywhere"
    )]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.book = ledger.of();
        self
    }

    fn resolved<B>(&self, request: &http::Request<B>) {
        let route = request.extensions().get::<Route>();
        self.book.resolved.add(route, 1);
        let since_start = SinceStart(&self.book);
        let route = route.map(tracing::field::display);
        let attempts = history(request).conflicts + 1;
        tracing::info!(uri = %request.uri(), route, attempts, "a conflict was resolved \
            {since_start}");
    }

    fn exhausted<B>(&self, request: &http::Request<B>) {
        let route = request.extensions().get::<Route>();
        self.book.exhausted.add(route, 1);
        let since_start = SinceStart(&self.book);
        // The last conflict is not in it, because no publication follows.
        let route = route.map(tracing::field::display);
        let attempts = history(request).conflicts + 1;
        tracing::error!(uri = %request.uri(), route, attempts, "a conflict was not resolved \
            {since_start}");
    }

    fn pause(&self, retry: u32) -> Duration {
        // 2^16 times the base is longer than anyone waits.
        self.base
            .mul_f64(fastrand::f64() * f64::from(1_u32 << retry.min(16)))
    }
}

impl Default for ConflictPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Clone, Response> Policy<http::Request<B>, Response, Error> for ConflictPolicy {
    type Future = Backoff;

    fn retry(
        &mut self,
        request: &mut http::Request<B>,
        result: &mut Result<Response, Error>,
    ) -> Option<Backoff> {
        let error = match result {
            Err(error) if error.is(CONFLICT) => error,
            // Also one of an earlier pass, which this policy did not see.
            Ok(_) if history(request).conflicts > 0 => {
                self.resolved(request);
                return None;
            }
            _ => return None,
        };
        if self.done >= self.retries {
            self.exhausted(request);
            // The error itself is logged where it becomes a response.
            let error = std::mem::replace(error, Error::new(CONFLICTS_EXHAUSTED));
            *result = Err(error.with_code(CONFLICTS_EXHAUSTED));
            return None;
        }
        // Passes are counted by another layer, outside this one, and conflicts of earlier passes
        // are in it already.
        let before = history(request);
        request
            .extensions_mut()
            .insert(before.after_conflict(error.wrote()));
        let pause = self.pause(self.done);
        self.done += 1;
        Some(Backoff {
            sleep: Box::pin(tokio::time::sleep(pause)),
        })
    }

    fn clone_request(&mut self, request: &http::Request<B>) -> Option<http::Request<B>> {
        Some(request.clone())
    }
}

fn history<B>(request: &http::Request<B>) -> History {
    request
        .extensions()
        .get::<History>()
        .copied()
        .unwrap_or_default()
}

/// The totals, as ZPublisher logs them: one line says how bad it is.
struct SinceStart<'a>(&'a ConflictBook);

impl fmt::Display for SinceStart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unresolved = self.0.exhausted.get();
        let conflicts = self.0.resolved.get() + unresolved;
        write!(
            f,
            "({conflicts} conflicts, {unresolved} unresolved, since start)"
        )
    }
}

/// The pause between two attempts.
pub struct Backoff {
    sleep: Pin<Box<Sleep>>,
}

impl Future for Backoff {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backoff")
    }
}
