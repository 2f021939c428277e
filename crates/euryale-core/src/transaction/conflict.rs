//! Decides whether a conflict is worth another attempt, and after which pause.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{CONFLICT, CONFLICTS_EXHAUSTED, Error};
use crate::ledger::{ConflictBook, Ledger};
use crate::request::Route;
use crate::transaction::History;

/// Decides how often a transaction is retried after a conflict, and after which pause. The default
/// is 3 retries, so 4 attempts, with jittered pauses.
///
/// Attempt *n + 2* follows after a pause of uniform(0, 2ⁿ) · `base` (n from 0; ZPublisher's rule,
/// with a base that suits a database in the same process). Only errors with the code
/// [`CONFLICT`] are retried. They are never returned after a commit.
///
/// Each request with a conflict is counted once, by its [`Route`] and its outcome, in a
/// [`ConflictBook`]. It is logged at INFO if a later attempt succeeded, and at ERROR if none did.
///
/// The rule itself never waits and holds no resources. Two crates use it: the publisher's policy
/// for tower's `RetryLayer`, and the transactions of a pool.
///
/// ```
/// use euryale_core::Error;
/// use euryale_core::error::{CONFLICT, CONFLICTS_EXHAUSTED};
/// use euryale_core::transaction::{Attempted, ConflictRule};
///
/// let rule = ConflictRule::new().retries(1);
/// let mut attempted = Attempted::default();
/// let mut result = Err::<(), _>(Error::new(CONFLICT));
/// let again = rule.after(attempted, &mut result).expect("another attempt");
/// assert_eq!(again.history.conflicts, 1);
/// attempted.history = again.history;
/// attempted.retries = 1;
/// assert!(rule.after(attempted, &mut result).is_none());
/// assert!(result.unwrap_err().is(CONFLICTS_EXHAUSTED));
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "max-conflict-retries")]
#[must_use]
pub struct ConflictRule {
    retries: u32,
    base: Duration,
    exclusive: bool,
    book: Arc<ConflictBook>,
}

/// An attempt that has just ended, for [`ConflictRule::after`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempted<'a> {
    /// The history of the attempt.
    pub history: History,
    /// The number of retries so far, without those of earlier passes.
    pub retries: u32,
    /// The route by which it is counted.
    pub route: Option<&'a Route>,
    /// The URI for the log.
    pub uri: Option<&'a http::Uri>,
}

/// Another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct AttemptAgain {
    /// The history of the attempt.
    pub history: History,
    /// The pause before it.
    pub pause: Duration,
}

impl ConflictRule {
    /// Creates a rule with 3 retries and a base of 10 ms.
    pub fn new() -> Self {
        Self {
            retries: 3,
            base: Duration::from_millis(10),
            exclusive: false,
            book: Arc::default(),
        }
    }

    /// The maximum number of retries; 0 for none. Default: 3, as in Zope.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The unit of the pauses, which are at most 1, 2, 4 … times this. Default: 10 ms.
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Runs the last attempt exclusively: it begins after the jobs of its pool that run, and no
    /// other one begins until it has ended. So it cannot conflict with them. Other processes may
    /// still write. The pool counts such attempts and bounds the waits. Default: no.
    ///
    /// The pool runs nothing else beside it, so this suits short transactions and rare conflicts.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
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

    /// Decides what follows an attempt with this result: another attempt, or `None`.
    ///
    /// A conflict that is not retried becomes [`CONFLICTS_EXHAUSTED`], which is a 503 with
    /// Retry-After.
    pub fn after<T>(
        &self,
        attempted: Attempted<'_>,
        result: &mut Result<T, Error>,
    ) -> Option<AttemptAgain> {
        let history = attempted.history;
        let error = match result {
            Err(error) if error.is(CONFLICT) => error,
            // This includes a conflict of an earlier pass, which this rule did not see.
            Ok(_) if history.conflicts > 0 => {
                self.resolved(attempted);
                return None;
            }
            _ => return None,
        };
        if attempted.retries >= self.retries {
            self.exhausted(attempted);
            // The error itself is logged when it becomes a response.
            let error = std::mem::replace(error, Error::new(CONFLICTS_EXHAUSTED));
            *result = Err(error.with_code(CONFLICTS_EXHAUSTED));
            return None;
        }
        let history = History {
            exclusive: self.exclusive && attempted.retries + 1 == self.retries,
            ..history.after_conflict(error.wrote())
        };
        Some(AttemptAgain {
            history,
            pause: self.pause(attempted.retries),
        })
    }

    fn resolved(&self, attempted: Attempted<'_>) {
        let Attempted { route, uri, .. } = attempted;
        self.book.resolved.add(route, 1);
        let since_start = SinceStart(&self.book);
        let uri = uri.map(tracing::field::display);
        let route = route.map(tracing::field::display);
        let attempts = attempted.history.conflicts + 1;
        tracing::info!(
            uri,
            route,
            attempts,
            "a conflict was resolved {since_start}"
        );
    }

    fn exhausted(&self, attempted: Attempted<'_>) {
        let Attempted { route, uri, .. } = attempted;
        self.book.exhausted.add(route, 1);
        let since_start = SinceStart(&self.book);
        let uri = uri.map(tracing::field::display);
        let route = route.map(tracing::field::display);
        // The last conflict is not in the history, because no attempt follows.
        let attempts = attempted.history.conflicts + 1;
        let cause = if attempted.history.exclusive {
            ", although its last attempt was exclusive: another process may have written"
        } else {
            ""
        };
        tracing::error!(
            uri,
            route,
            attempts,
            "a conflict was not resolved{cause} {since_start}"
        );
    }

    fn pause(&self, retry: u32) -> Duration {
        // 2^16 times the base is longer than any client waits.
        self.base
            .mul_f64(fastrand::f64() * f64::from(1_u32 << retry.min(16)))
    }
}

impl Default for ConflictRule {
    fn default() -> Self {
        Self::new()
    }
}

/// The totals since the start, which ZPublisher also logs, so that one line shows how frequent
/// conflicts are.
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
