//! The cost of the model: a page of five characters that is built in a worker, and a row of SQLite.

use super::plan::{
    CPU_PER_REQUEST, Case, Column, Limit, P50, P99, Plan, REQUESTS_PER_SECOND, SWITCHES, State,
    Workload, bar, case,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const PAGE: Workload = Workload {
    name: "page",
    about: "Five characters, built in a worker; a row of SQLite, read and written in a \
        transaction.",
    goal: "CPU per request ≤ that of semaphore + spawn_blocking; as many requests/s as granian's \
        WSGI; SQLite ≥ 1.2 × \
           axum + deadpool under the same cap",
    state: State::Rounds(plans),
};

const COLUMNS: &[Column] = &[CPU_PER_REQUEST, REQUESTS_PER_SECOND, P50, P99, SWITCHES];
const ROWS: &[Column] = &[REQUESTS_PER_SECOND, CPU_PER_REQUEST, P50, P99, SWITCHES];
/// The cap for which the bars are set: with other caps, the figures also include other costs.
const BAR_CAP: usize = 2;

fn plans(options: &Options) -> Vec<Plan> {
    let load = Load::Wrk {
        connections: options.connections,
        seconds: options.seconds,
    };
    let mut plans: Vec<Plan> = options
        .caps
        .iter()
        .map(|cap| trivial(*cap, &load))
        .collect();
    for view in [View::Read, View::Write] {
        plans.extend(options.caps.iter().map(|cap| rows(view, *cap, &load)));
    }
    plans
}

fn trivial(cap: usize, load: &Load) -> Plan {
    let named = |peer| Case {
        by_default: false,
        ..case(peer, View::Page, cap, load)
    };
    let mut cases: Vec<Case> = [
        "bare",
        "semaphore",
        "threads",
        "pool-run",
        "stack",
        "stack-lazy",
        "euryale",
        "granian",
        "gunicorn",
        "waitress",
        "zope",
    ]
    .map(|peer| case(peer, View::Page, cap, load))
    .into();
    cases.push(named("pool-run-untimed"));
    cases.push(named("nginx"));
    let cpu = |name, base, most| bar("cpu_per_request", name, base, Limit::AtMost(most));
    let mut bars = vec![
        cpu("stack", "semaphore", 1.0),
        cpu("euryale", "semaphore", 1.0),
        bar(
            "requests_per_second",
            "euryale",
            "granian",
            Limit::AtLeast(1.0),
        ),
    ];
    if cap == BAR_CAP {
        bars.push(cpu("pool-run", "semaphore", 0.70));
        bars.push(cpu("pool-run", "threads", 1.4));
    }
    Plan {
        title: format!("trivial view, cap {cap}"),
        columns: COLUMNS,
        cases,
        bars,
    }
}

fn rows(view: View, cap: usize, load: &Load) -> Plan {
    let what = if view == View::Read { "read" } else { "write" };
    Plan {
        title: format!("SQLite {what}, cap {cap}"),
        columns: ROWS,
        cases: ["deadpool", "stack", "euryale"]
            .map(|peer| case(peer, view, cap, load))
            .into(),
        bars: vec![bar(
            "requests_per_second",
            "stack",
            "deadpool",
            Limit::AtLeast(1.2),
        )],
    }
}
