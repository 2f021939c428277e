//! The status of a pool.

use std::sync::Arc;

use euryale_core::Database;
use euryale_core::pool::{Holder, Status, Waiter};
use euryale_core::transaction::Phase;
use tokio::time::Instant;

use crate::queue::{LaneIndex, Late};
use crate::state::seats::RunningJob;
use crate::state::{Queued, SharedPool};

/// The phase of a waiting job in reports, where running jobs have a [`Phase`].
pub(crate) const QUEUED: &str = "queued";

impl<D: Database> SharedPool<D> {
    pub(crate) fn status(&self) -> Status {
        let now = Instant::now();
        let state = self.state();
        let queue = state.queue();
        let oldest = queue.oldest();
        let mut status = Status::default();
        status.cap = queue.cap();
        status.running = queue.permits();
        status.queued = queue.waiting();
        status.oldest_wait = oldest.map(|since| now.into_std().saturating_duration_since(since));
        status.idle = state.idle().len();
        status.holders = state
            .seats
            .iter()
            .map(|(running, phase)| self.holder(running, phase, now))
            .collect();
        status.is_closed = queue.is_closed();
        drop(state);
        status
            .holders
            .sort_by_key(|holder| std::cmp::Reverse(holder.age));
        status
    }

    /// Returns the `most` jobs that have been queued longest, the oldest first.
    pub(crate) fn waiters(&self, most: usize) -> Vec<Waiter> {
        let now = Instant::now().into_std();
        let state = self.state();
        let waiter = |late: Late<'_, Queued<D>>| {
            let about = &late.job.about;
            let mut waiter = Waiter::default();
            waiter.lane = self.lane_name(late.lane);
            waiter.route = about.route.clone();
            waiter.attempt = about.history.conflicts + 1;
            waiter.pass = about.history.suspensions + 1;
            waiter.age = now.saturating_duration_since(late.since);
            waiter
        };
        let longest = state.queue().longest_waiting(most);
        longest.into_iter().map(waiter).collect()
    }

    /// Returns the name of a lane, or `None` for lane 0, the default.
    fn lane_name(&self, lane: LaneIndex) -> Option<Arc<str>> {
        (lane != 0).then(|| Arc::clone(&self.lanes[usize::from(lane)]))
    }

    pub(crate) fn holder(&self, running: &RunningJob<D>, phase: Phase, now: Instant) -> Holder {
        let about = &running.about;
        let mut holder = Holder::default();
        holder.lane = self.lane_name(running.lane);
        holder.route = about.route.clone();
        holder.attempt = about.history.conflicts + 1;
        holder.pass = about.history.suspensions + 1;
        holder.phase = phase;
        holder.age = now.saturating_duration_since(running.since);
        holder.waited = running.waited;
        holder.is_abandoned = running.job.is_abandoned();
        holder
    }
}
