//! Lines of the log about jobs that hold workers and jobs that wait.

use std::time::Duration;

use euryale_core::Database;

use super::{Holder, Shared, Waiter};
use crate::housekeeping::QUEUED;

/// The number of waiting jobs that are named: the oldest say why the others wait.
const NAMED: usize = 100;

const TARGET: &str = "euryale_connection::report";

pub(super) fn log<D: Database>(shared: &Shared<D>) {
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

/// Nobody reads nanoseconds here.
pub(crate) fn in_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
