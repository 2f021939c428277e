//! A claim on a pool, and the request that has one.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::error::Error;
use crate::request::Request;
use crate::transaction::{Database, History, Lease};

/// What a request needs to enter a pool's queue: lane, priority, deadline.
///
/// `ConnectionLimit` passes it to `Publish`. It is a trait, so that another pool can replace ours.
/// An implementation guarantees:
///
/// * the job runs in a worker, a thread that may block, and the lease is returned there, connection
///   first;
/// * at most as many jobs as the pool has permits run at the same time, whatever happens to the
///   futures;
/// * a job whose future is dropped before it has started never starts; one that has started runs to
///   its end;
/// * a panic of the job is an [`Error`] with the code [`PANICKED`](crate::error::PANICKED).
///
/// It is deliberately not object-safe: `Publish` boxes the future once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a claim on a pool",
    note = "`ConnectionLimitLayer` makes claims on a `Pool`; another pool implements `Claim` for \
        its own"
)]
pub trait Claim: Send + 'static {
    /// The database whose connections are lent.
    type Database: Database;

    /// Sets when the job's transaction is stopped before its commit. A stopped transaction never
    /// commits; a commit that has begun is finished, and its own answer is returned. Default:
    /// nothing is stopped, and the job runs to its end.
    #[must_use]
    fn stop_when(self, when: StopWhen) -> Self
    where
        Self: Sized,
    {
        let _ = when;
        self
    }

    /// Sets the history of the work. A pool may let a job that was in a worker before go ahead of
    /// new ones. Default: it is queued like any other.
    #[must_use]
    fn history(self, history: History) -> Self
    where
        Self: Sized,
    {
        let _ = history;
        self
    }

    /// Queues `job` **now**, before the future is polled, and resolves to its result.
    ///
    /// # Errors
    /// The job was refused (queue full, waited too long, pool closed), or panicked.
    fn run<T, F>(self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, Self::Database>) -> T + Send + 'static,
        T: Send + 'static;
}

/// The conditions under which a job's transaction is stopped before its commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopWhen {
    /// Stops it after it has run in its worker for this long; the wait in the queue does not count.
    /// `None` means no limit.
    pub after: Option<Duration>,
    /// Stops it when its client has disconnected. For transactions that only read.
    pub client_gone: bool,
}

impl StopWhen {
    /// Stops the transaction after it has run in its worker for this long or, if `client_gone` is
    /// set, when its client has disconnected.
    #[must_use]
    pub fn new(after: Option<Duration>, client_gone: bool) -> Self {
        Self { after, client_gone }
    }
}

/// A request with its claim on a connection: the only input of `Publish`.
///
/// It is not `Clone`, so that layers that publish again (tower's `Retry`, `Republish`) cannot be
/// inside the cap: a second publication needs a second claim. [The facade's
/// documentation](https://docs.rs/euryale/latest/euryale/#when-it-does-not-compile) explains the
/// compiler's message.
pub struct Publication<C> {
    /// The request, whose body is complete.
    pub request: Request,
    /// The claim.
    pub claim: C,
}

impl<C> fmt::Debug for Publication<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
