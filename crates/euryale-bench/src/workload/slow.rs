//! The cost of outside work in a worker, and when no worker waits for it.

use super::plan::{
    CPU_PER_REQUEST, Case, Column, Limit, P50, P99, Plan, SECONDS, State, Workload, absolute, case,
    known,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const SLOW: Workload = Workload {
    name: "slow",
    about: "100 × 1 s of outside work on 2 workers, all requests at once: deferred, promised; and \
        in the worker, \
            beside servers that know nothing else.",
    goal: "100 requests in ≤ 1.05 s deferred, ≤ 1.03 s deferred asynchronously, ≤ 1.05 s with \
        promises",
    state: State::Rounds(slow),
};

pub(super) const PROMISE: Workload = Workload {
    name: "promise",
    about: "1,000 × 3 promises of 300 ms on 2 connections, all requests at once; beside the same \
        number of pages.",
    goal: "≤ 1.5 s; what a pass costs",
    state: State::Rounds(promise),
};

const COLUMNS: &[Column] = &[SECONDS, P50, P99, CPU_PER_REQUEST];
const REQUESTS: usize = 100;
/// For work in the worker. A hundred requests would show nothing more, and take 50 s for each run.
const FEW: usize = 20;
const CAP: usize = 2;

fn slow(_options: &Options) -> Vec<Plan> {
    let load = Load::Burst {
        sockets: REQUESTS,
        rounds: 1,
    };
    let least = |case, seconds| absolute("seconds", case, Limit::AtMost(seconds));
    let freed = Plan {
        title: format!("{REQUESTS} × 1 s outside the worker, cap {CAP}"),
        columns: COLUMNS,
        cases: vec![
            ours("euryale deferred", View::Deferred, &load),
            ours("euryale deferred async", View::DeferredAsync, &load),
            ours("euryale promise", View::Promise, &load),
            case("twisted", View::Slow, CAP, &load),
        ],
        bars: vec![
            least("euryale deferred", 1.05),
            least("euryale deferred async", 1.03),
            least("euryale promise", 1.05),
        ],
    };
    let load = Load::Burst {
        sockets: FEW,
        rounds: 1,
    };
    let peers = [
        "semaphore",
        "threads",
        "euryale",
        "granian",
        "gunicorn",
        "waitress",
        "zope",
    ];
    let held = Plan {
        title: format!("{FEW} × 1 s in the worker, cap {CAP}: {FEW} / {CAP} s by construction"),
        columns: COLUMNS,
        cases: peers.map(|peer| case(peer, View::Slow, CAP, &load)).into(),
        bars: Vec::new(),
    };
    vec![freed, held]
}

fn promise(_options: &Options) -> Vec<Plan> {
    let load = Load::Burst {
        sockets: 1000,
        rounds: 1,
    };
    vec![Plan {
        title: format!("1000 × 3 promises of 300 ms, cap {CAP}"),
        columns: COLUMNS,
        cases: vec![
            ours("euryale page", View::Page, &load),
            ours("euryale promises", View::Promises, &load),
        ],
        bars: vec![absolute("seconds", "euryale promises", Limit::AtMost(1.5))],
    }]
}

fn ours(name: &str, view: View, load: &Load) -> Case {
    Case {
        name: name.to_owned(),
        ..case(known("euryale").name, view, CAP, load)
    }
}
