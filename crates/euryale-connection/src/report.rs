//! Log lines about running and waiting jobs.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::Database;
use euryale_core::pool::{Holder, Waiter};
use tokio::time::Instant;

use crate::queue::Late;
use crate::state::seats::About;
use crate::state::{Queued, SharedPool};
use crate::status::QUEUED;

/// The maximum number of waiting jobs in a report. The oldest ones show why the others wait.
const NAMED: usize = 100;

const TARGET: &str = "euryale_connection::report";

pub(crate) fn log<D: Database>(shared: &SharedPool<D>) {
    let status = shared.status();
    let waiters = shared.waiters(NAMED);
    tracing::info!(
        target: TARGET,
        cap = status.cap,
        running = status.running,
        queued = status.queued,
        idle = status.idle,
        closed = status.is_closed.then_some(true),
        "workers"
    );
    status.holders.iter().for_each(holder);
    waiters.iter().for_each(waiter);
    let others = status.queued.saturating_sub(waiters.len());
    if others > 0 {
        tracing::info!(target: TARGET, jobs = others, phase = %QUEUED, "others wait");
    }
}

fn holder(holder: &Holder) {
    let route = holder.route.as_ref().map(tracing::field::display);
    let lane = holder.lane.as_deref().unwrap_or("default");
    let [age, waited] = [holder.age, holder.waited].map(in_ms);
    tracing::info!(
        target: TARGET,
        route,
        lane,
        phase = %holder.phase,
        ?age,
        ?waited,
        attempt = holder.attempt,
        pass = holder.pass,
        abandoned = holder.is_abandoned.then_some(true),
        "a job holds a worker"
    );
}

fn waiter(waiter: &Waiter) {
    let route = waiter.route.as_ref().map(tracing::field::display);
    let lane = waiter.lane.as_deref().unwrap_or("default");
    let age = in_ms(waiter.age);
    tracing::info!(
        target: TARGET,
        route,
        lane,
        phase = %QUEUED,
        ?age,
        attempt = waiter.attempt,
        pass = waiter.pass,
        "a job waits"
    );
}

/// Rounds to milliseconds, because finer units would only be noise.
fn in_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Jobs that have waited for a long time.
#[derive(Default)]
pub(crate) struct LateJobs {
    named: Vec<(Arc<str>, About, Duration)>,
    others: usize,
}

impl LateJobs {
    /// The maximum number of jobs that are named at a time. When all jobs wait, hundreds of lines
    /// would say no more than ten.
    const NAMED: usize = 10;

    pub(crate) fn add<D: Database>(
        &mut self,
        late: &Late<'_, Queued<D>>,
        now: Instant,
        lanes: &[Arc<str>],
    ) {
        if self.named.len() == Self::NAMED {
            self.others += 1;
            return;
        }
        let age = now.into_std().saturating_duration_since(late.since);
        self.named.push((
            Arc::clone(&lanes[usize::from(late.lane)]),
            late.job.about.clone(),
            age,
        ));
    }

    pub(crate) fn warn(&self) {
        for (lane, about, age) in &self.named {
            let route = about.route.as_ref().map(tracing::field::display);
            let attempt = about.history.conflicts + 1;
            let pass = about.history.suspensions + 1;
            let lane = &**lane;
            let age = in_ms(*age);
            tracing::warn!(route, lane, phase = %QUEUED, ?age, attempt, pass, "a job waits long \
                for a worker");
        }
        if self.others > 0 {
            tracing::warn!(jobs = self.others, phase = %QUEUED, "others wait as long");
        }
    }
}

/// Logs a job that takes long.
pub(crate) fn warn(holder: &Holder) {
    let Holder {
        lane,
        route,
        attempt,
        pass,
        phase,
        age,
        waited,
        ..
    } = holder;
    let lane = lane.as_deref().unwrap_or("default");
    let route = route.as_ref().map(tracing::field::display);
    let [age, waited] = [age, waited].map(|time| in_ms(*time));
    tracing::warn!(
        route,
        lane,
        %phase,
        ?age,
        ?waited,
        attempt,
        pass,
        "a slow job still holds its worker"
    );
}
