//! The cost of the model: a page of five characters that is built in a worker, and a row of SQLite.

use super::plan::{
    Bar, CPU_PER_REQUEST, Case, Column, Limit, P50, P99, Plan, REQUESTS_PER_SECOND, SWITCHES,
    State, Workload, bar, case, column, wrk,
};
use crate::cli::Options;
use crate::load::{Asks, Load, Program};
use crate::scene::{View, Wire};

pub(super) const PAGE: Workload = Workload {
    name: "page",
    about: "Five characters, built in a worker, also behind a trusted proxy, over HTTP/2 and over \
        TLS; a row of SQLite, read and written in a transaction.",
    goal: "cap 2: ≥ 1.15 × granian's requests/s with ≤ 0.85 × its CPU; cap 16: at least granian's; \
        CPU ≤ semaphore + spawn_blocking, `Pool::run` ≤ 1.1 × threads; SQLite ≥ 1.2 × axum + \
        deadpool under the same cap",
    state: State::Rounds(plans),
};

const COLUMNS: &[Column] = &[CPU_PER_REQUEST, REQUESTS_PER_SECOND, P50, P99, SWITCHES];
const ROWS: &[Column] = &[REQUESTS_PER_SECOND, CPU_PER_REQUEST, P50, P99, SWITCHES];
/// The cap for which the bars are set: with other caps, the figures also include other costs.
const BAR_CAP: usize = 2;

fn plans(options: &Options) -> Vec<Plan> {
    let load = wrk(options.connections, options.seconds);
    let mut plans: Vec<Plan> = options
        .caps
        .iter()
        .map(|cap| trivial(*cap, &load))
        .collect();
    plans.push(proxied(options, &load));
    plans.extend(http2(options));
    plans.push(tls(&load));
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
    let is_small = cap <= BAR_CAP;
    let rate = Limit::AtLeast(if is_small { 1.15 } else { 1.0 });
    let mut bars = vec![
        cpu("stack", "semaphore", 1.0),
        cpu("euryale", "semaphore", 1.0),
        cpu("euryale", "granian", if is_small { 0.85 } else { 1.0 }),
        bar("requests_per_second", "euryale", "granian", rate),
        cpu("pool-run", "threads", 1.1),
    ];
    if cap == BAR_CAP {
        bars.push(cpu("pool-run", "semaphore", 0.70));
    }
    Plan {
        title: format!("trivial view, cap {cap}"),
        columns: COLUMNS,
        cases,
        bars,
    }
}

/// The page as a proxy asks for it, and as anyone does.
fn proxied(options: &Options, load: &Load) -> Plan {
    let headers = Load::By(Program::Wrk {
        connections: options.connections,
        seconds: options.seconds,
        asks: Asks::Proxied,
    });
    Plan {
        title: format!("trivial view behind a trusted proxy, cap {BAR_CAP}"),
        columns: COLUMNS,
        cases: vec![
            case("euryale", View::Page, BAR_CAP, load),
            case("euryale-proxied", View::Page, BAR_CAP, &headers),
        ],
        bars: Vec::new(),
    }
}

const STREAMS: &[Column] = &[
    CPU_PER_REQUEST,
    REQUESTS_PER_SECOND,
    column("mean_ms", "mean ms", 2),
    SWITCHES,
];

/// The page over HTTP/2, without and with TLS.
fn http2(options: &Options) -> [Plan; 2] {
    let load = Load::By(Program::Pages {
        connections: options.connections,
        seconds: options.seconds,
    });
    let plan = |title: &str, wire| Plan {
        title: format!("trivial view, {title}, cap {BAR_CAP}"),
        columns: STREAMS,
        cases: on_wire(wire, &load),
        bars: beside_granian(),
    };
    [
        plan("HTTP/2", Wire::Http2),
        plan("HTTP/2 over TLS", Wire::Tls),
    ]
}

/// The page over TLS and HTTP/1.1.
fn tls(load: &Load) -> Plan {
    Plan {
        title: format!("trivial view, HTTP/1.1 over TLS, cap {BAR_CAP}"),
        columns: COLUMNS,
        cases: on_wire(Wire::Tls, load),
        bars: beside_granian(),
    }
}

/// nginx answers without a worker: it shows what the protocol itself costs.
fn on_wire(wire: Wire, load: &Load) -> Vec<Case> {
    let on_wire = |peer| Case {
        wire,
        ..case(peer, View::Page, BAR_CAP, load)
    };
    ["nginx", "euryale", "granian"].map(on_wire).into()
}

fn beside_granian() -> Vec<Bar> {
    vec![
        bar(
            "requests_per_second",
            "euryale",
            "granian",
            Limit::AtLeast(1.0),
        ),
        bar("cpu_per_request", "euryale", "granian", Limit::AtMost(1.0)),
    ]
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
