//! How a pool stands.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::{Database, Phase, Route};
use tokio::time::Instant;

use crate::queue::{LaneIndex, Late};
use crate::state::seats::Running;
use crate::state::{Queued, Shared};

/// What a job does that waits, where others have a [`Phase`].
pub(crate) const QUEUED: &str = "queued";

/// A pool at one moment: for health checks, agents and people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// How many connections there may be.
    pub cap: usize,
    /// Permits that are out: jobs that run, and workers about to start or to end, or closing an
    /// idle connection.
    pub running: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// For how long the oldest of them has waited.
    pub oldest_wait: Option<Duration>,
    /// Open connections that wait for work.
    pub idle: usize,
    /// The jobs that run, the one that has run longest first. One whose client has gone is among
    /// them for as long as its worker runs.
    pub holders: Vec<Holder>,
    /// The pool takes no more jobs.
    pub is_closed: bool,
}

/// A job that runs, and so holds a worker, a permit and, if it asked for one, a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// The name of its lane; `None` for the default lane.
    pub lane: Option<Arc<str>>,
    /// The route of its request, if whoever routes named one ([`Route`]). Jobs of
    /// [`Pool::run`](crate::Pool::run) and [`Pool::transaction`](crate::Pool::transaction) have
    /// none.
    pub route: Option<Route>,
    /// The number of this attempt among those of its request, from 1; grows with each conflict.
    pub attempt: u32,
    /// The number of this pass, from 1; grows with each suspension.
    pub pass: u32,
    /// What it does now.
    pub phase: Phase,
    /// How long it has run in its worker.
    pub age: Duration,
    /// How long it was queued before that.
    pub waited: Duration,
    /// Nobody waits for it any more: its client has left, or was answered at the deadline.
    pub is_abandoned: bool,
}

/// A job that is queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiter {
    /// The name of its lane; `None` for the default lane.
    pub lane: Option<Arc<str>>,
    /// The route of its request, as that of a [`Holder`].
    pub route: Option<Route>,
    /// The number of the attempt that it waits for, from 1.
    pub attempt: u32,
    /// The number of the pass that it waits for, from 1.
    pub pass: u32,
    /// How long it has been queued.
    pub age: Duration,
}

impl<D: Database> Shared<D> {
    pub(crate) fn status(&self) -> Status {
        let now = Instant::now();
        let state = self.state();
        let queue = state.queue();
        let oldest = queue.oldest();
        let mut status = Status {
            cap: queue.cap(),
            running: queue.permits(),
            queued: queue.waiting(),
            oldest_wait: oldest.map(|since| now.into_std().saturating_duration_since(since)),
            idle: state.idle().len(),
            holders: state
                .seats
                .iter()
                .map(|(running, phase)| self.holder(running, phase, now))
                .collect(),
            is_closed: queue.is_closed(),
        };
        drop(state);
        status
            .holders
            .sort_by_key(|holder| std::cmp::Reverse(holder.age));
        status
    }

    /// The `most` jobs that have been queued longest, the oldest first.
    pub(crate) fn waiters(&self, most: usize) -> Vec<Waiter> {
        let now = Instant::now().into_std();
        let state = self.state();
        let waiter = |late: Late<'_, Queued<D>>| Waiter {
            lane: self.lane_name(late.lane),
            route: late.job.about.route.clone(),
            attempt: late.job.about.history.conflicts + 1,
            pass: late.job.about.history.suspensions + 1,
            age: now.saturating_duration_since(late.since),
        };
        let longest = state.queue().longest_waiting(most);
        longest.into_iter().map(waiter).collect()
    }

    /// `None` for lane 0, the default.
    fn lane_name(&self, lane: LaneIndex) -> Option<Arc<str>> {
        (lane != 0).then(|| Arc::clone(&self.lanes[usize::from(lane)]))
    }

    pub(crate) fn holder(&self, running: &Running<D>, phase: Phase, now: Instant) -> Holder {
        let Running {
            job,
            about,
            lane,
            since,
            waited,
            ..
        } = running;
        Holder {
            lane: self.lane_name(*lane),
            route: about.route.clone(),
            attempt: about.history.conflicts + 1,
            pass: about.history.suspensions + 1,
            phase,
            age: now.saturating_duration_since(*since),
            waited: *waited,
            is_abandoned: job.is_abandoned(),
        }
    }
}
