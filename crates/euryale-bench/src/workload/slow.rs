//! Outside work in a worker: what a cap means, and what the layers to come are for.

use super::{Column, P50, P99, Plan, SECONDS, State, Workload, case};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const SLOW: Workload = Workload {
    name: "slow",
    about: "1 s of outside work in the worker, all requests at once, 2 workers. Only this baseline runs: its time is \
            requests / 2 s by construction. The deferred and promised forms wait for their layers.",
    goal: "100 requests in ≤ 1.05 s deferred, 1.03 s deferred asynchronously, 1.05 s with promises",
    state: State::Rounds(plans),
};

const COLUMNS: &[Column] = &[SECONDS, P50, P99];
/// For the baseline: a hundred would say nothing more, in 50 s each.
const REQUESTS: usize = 20;

fn plans(_options: &Options) -> Vec<Plan> {
    let load = Load::Burst { sockets: REQUESTS, rounds: 1 };
    let peers = ["semaphore", "threads", "euryale", "granian", "gunicorn", "waitress"];
    vec![Plan {
        title: format!("{REQUESTS} × 1 s in the worker, cap 2"),
        columns: COLUMNS,
        cases: peers.map(|peer| case(peer, View::Slow, 2, &load)).into(),
        bars: Vec::new(),
    }]
}
