//! The policy of tower's `RetryLayer` for conflicts.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use euryale_core::request::Route;
use euryale_core::transaction::{Attempted, ConflictRule, History};
use euryale_core::{Error, Ledger};
use tokio::time::Sleep;
use tower::retry::Policy;

/// Publishes a request again after a conflict, by default up to 3 times, with a jittered pause that
/// holds no worker.
///
/// The number of attempts and the pauses are those of a [`ConflictRule`]. The request goes ahead of
/// new work, with the same body and fresh extensions. If its conflict was caused by a write, it
/// begins as a writer. If the last attempt also meets a conflict, the error has the code
/// [`CONFLICTS_EXHAUSTED`](crate::CONFLICTS_EXHAUSTED): 503 with Retry-After.
///
/// Each request that met a conflict is counted once, by its [`Route`] and its outcome, and logged:
/// at INFO if it was finally answered, at ERROR if it was not.
///
/// It requires requests that are `Clone`. Inside `ConnectionLimit`, a request is a `Publication`,
/// which is not. So a `RetryLayer` there, which would wait for a second permit while holding one,
/// does not compile.
#[derive(Clone, Debug, Default)]
#[doc(alias = "max-conflict-retries")]
#[must_use]
pub struct ConflictPolicy {
    rule: ConflictRule,
    /// How often this policy has published this request again. It stays 0 in the layer itself.
    done: u32,
}

impl ConflictPolicy {
    /// Creates a policy with 3 retries and a base of 10 ms.
    pub fn new() -> Self {
        Self::default()
    }

    /// The maximum number of times that a request is published again; 0 for never. Default: 3, as
    /// in Zope.
    pub fn retries(mut self, retries: u32) -> Self {
        self.rule = self.rule.retries(retries);
        self
    }

    /// The unit of the pauses, which are at most 1, 2, 4 … times this. Default: 10 ms.
    pub fn base(mut self, base: Duration) -> Self {
        self.rule = self.rule.base(base);
        self
    }

    /// Runs the last attempt exclusively; see [`ConflictRule::exclusive`]. Default: no.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.rule = self.rule.exclusive(exclusive);
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.rule = self.rule.ledger(ledger);
        self
    }
}

impl<B: Clone, Response> Policy<http::Request<B>, Response, Error> for ConflictPolicy {
    type Future = Backoff;

    fn retry(
        &mut self,
        request: &mut http::Request<B>,
        result: &mut Result<Response, Error>,
    ) -> Option<Backoff> {
        // Passes are counted by another layer outside this one, and conflicts of earlier passes are
        // already in the history.
        let extensions = request.extensions();
        let history = extensions.get::<History>().copied().unwrap_or_default();
        if result.is_ok() && history.conflicts == 0 {
            return None;
        }
        let attempted = Attempted {
            history,
            retries: self.done,
            route: extensions.get::<Route>(),
            uri: Some(request.uri()),
        };
        let again = self.rule.after(attempted, result)?;
        request.extensions_mut().insert(again.history);
        self.done += 1;
        Some(Backoff {
            sleep: Box::pin(tokio::time::sleep(again.pause)),
        })
    }

    fn clone_request(&mut self, request: &http::Request<B>) -> Option<http::Request<B>> {
        Some(request.clone())
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
