//! The interface of a pool for operators and balancers: its status, its limits, and its end.
//!
//! A pool's type names its database. [`PoolControl`] does not, so pages for operators, agents of
//! balancers and consoles accept any pool as `&dyn PoolControl`. A program that chooses its
//! database at run time keeps its pool as an `Arc<dyn PoolControl>`, which is also a
//! [`PoolControl`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::request::Route;
use crate::transaction::Phase;

/// Shows the state of a pool, and changes its limits while it runs.
///
/// Only the future of [`close`](Self::close) waits: everything else may be called on a runtime
/// thread while every worker is stuck.
pub trait PoolControl: Send + Sync {
    /// Returns the current status.
    fn status(&self) -> Status;

    /// Returns the jobs that have waited longest, at most `most` of them, the oldest first.
    fn waiters(&self, most: usize) -> Vec<Waiter>;

    /// Returns whether the last job that needed the database could reach it.
    fn is_reachable(&self) -> bool;

    /// Returns the ledger in which the pool counts.
    fn ledger(&self) -> &Ledger;

    /// Returns the names of the lanes. The first one is `default`, the lane of all other jobs.
    fn lanes(&self) -> Vec<Arc<str>>;

    /// Changes the maximum number of connections at once; 0 counts as 1. Running jobs end before
    /// surplus connections are dropped.
    fn resize(&self, connections: usize);

    /// Changes the share of the lane with this name at once; 0 counts as 1.
    ///
    /// # Errors
    /// There is no such lane.
    fn share(&self, lane: &str, share: usize) -> Result<(), NoSuchLane>;

    /// Changes the maximum number of waiting jobs, and the maximum time that each may wait (`None`
    /// for no limit). Jobs that already wait keep their place and their time.
    fn restrict(&self, max_queue: usize, max_wait: Option<Duration>);

    /// Closes the pool: nothing is admitted once the future has been polled, and jobs may end
    /// within `deadline`.
    ///
    /// The future returns [`StillBusy`] if jobs or tasks were still running at the deadline.
    fn close(&self, deadline: Duration) -> Closing;
}

impl<P: PoolControl + ?Sized> PoolControl for Arc<P> {
    fn status(&self) -> Status {
        P::status(self)
    }

    fn waiters(&self, most: usize) -> Vec<Waiter> {
        P::waiters(self, most)
    }

    fn is_reachable(&self) -> bool {
        P::is_reachable(self)
    }

    fn ledger(&self) -> &Ledger {
        P::ledger(self)
    }

    fn lanes(&self) -> Vec<Arc<str>> {
        P::lanes(self)
    }

    fn resize(&self, connections: usize) {
        P::resize(self, connections);
    }

    fn share(&self, lane: &str, share: usize) -> Result<(), NoSuchLane> {
        P::share(self, lane, share)
    }

    fn restrict(&self, max_queue: usize, max_wait: Option<Duration>) {
        P::restrict(self, max_queue, max_wait);
    }

    fn close(&self, deadline: Duration) -> Closing {
        P::close(self, deadline)
    }
}

/// The future of [`PoolControl::close`].
pub type Closing = Pin<Box<dyn Future<Output = Result<(), StillBusy>> + Send>>;

/// The status of a pool at one moment, for health checks, agents and people.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// The maximum number of connections.
    pub cap: usize,
    /// The number of permits in use: by running jobs, and by workers that are about to start or
    /// end, or are closing an idle connection.
    pub running: usize,
    /// The number of waiting jobs.
    pub queued: usize,
    /// How long the oldest of them has waited.
    pub oldest_wait: Option<Duration>,
    /// The number of open connections that wait for work.
    pub idle: usize,
    /// The running jobs, the one that has run longest first. A job whose client has disconnected is
    /// listed for as long as its worker runs.
    pub holders: Vec<Holder>,
    /// Whether the pool has been closed and takes no more jobs.
    pub is_closed: bool,
}

/// A running job. It holds a worker, a permit and, if it uses the database, a connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Holder {
    /// The name of its lane; `None` for the default lane.
    pub lane: Option<Arc<str>>,
    /// The route of its request, if the router named one ([`Route`]). Jobs that are not
    /// publications have no route.
    pub route: Option<Route>,
    /// The number of this attempt among those of its request, from 1; grows with each conflict.
    pub attempt: u32,
    /// The number of this pass, from 1; grows with each suspension.
    pub pass: u32,
    /// Its current phase.
    pub phase: Phase,
    /// How long it has run in its worker.
    pub age: Duration,
    /// How long it was queued before that.
    pub waited: Duration,
    /// Whether its client has disconnected, or was answered at the deadline.
    pub is_abandoned: bool,
}

/// A job that is queued.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Waiter {
    /// The name of its lane; `None` for the default lane.
    pub lane: Option<Arc<str>>,
    /// The route of its request, as for a [`Holder`].
    pub route: Option<Route>,
    /// The number of the attempt that it waits for, from 1.
    pub attempt: u32,
    /// The number of the pass that it waits for, from 1.
    pub pass: u32,
    /// How long it has been queued.
    pub age: Duration,
}

/// Jobs or tasks were still running at the deadline of closing a pool.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StillBusy {
    /// The number of transactions that were stopped.
    pub stopped: usize,
    /// The number of jobs that are still running.
    pub running: usize,
    /// The number of tasks of committed transactions that are still running.
    pub tasks: usize,
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the pool is closed: {} transactions were stopped, {} jobs and {} tasks still run",
            self.stopped, self.running, self.tasks
        )
    }
}

impl std::error::Error for StillBusy {}

/// The pool has no lane with this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchLane {
    name: String,
}

impl NoSuchLane {
    /// Creates the error for the lane `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl fmt::Display for NoSuchLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the pool has no lane {:?}: name one that it was built with",
            self.name
        )
    }
}

impl std::error::Error for NoSuchLane {}
