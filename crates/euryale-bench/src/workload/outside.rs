//! Python applications that wait for other services, and for their turn after a conflict.

use super::plan::{
    ANSWERED, CPU_PER_REQUEST, Case, Column, Limit, P50, P99, Plan, REQUESTS_PER_SECOND, SECONDS,
    State, Workload, absolute, case, column,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const OUTSIDE: Workload = Workload {
    name: "outside",
    about: "Zope and a plain WSGI application under our Python package, with 2 threads: three \
        promises of 300 ms, 1 and 100 requests at once; 100 × 1 s of outside work, promised and \
        deferred; 10,000 requests that wait for one promise. Then 8 clients that do nothing but \
        conflict for 10 s, beside Zope's own retry under waitress.",
    goal: "≤ 0.34 s, ≤ 1 s, ≤ 1.1 s each; no thread for 10,000 requests; no conflict fails a \
        request, and the number is exact",
    state: State::Rounds(plans),
};

const THREADS: usize = 2;
const COLUMNS: &[Column] = &[SECONDS, P50, P99, CPU_PER_REQUEST];
const SUSPENDED: &[Column] = &[
    column("grown_per_request", "bytes/request", 0),
    column("grown_mib", "grown MiB", 1),
    column("more_threads", "more threads", 0),
    SECONDS,
];
const CONFLICTS: &[Column] = &[
    REQUESTS_PER_SECOND,
    column("failed", "failed", 0),
    column("wrong", "wrong by", 0),
    P50,
    P99,
    Column {
        key: "probe_answered",
        ..ANSWERED
    },
    column("probe_p50_ms", "probe p50 ms", 2),
    column("probe_p99_ms", "probe p99 ms", 2),
];
/// The probes take as long as the conflicts.
const PROBES: usize = 450;

fn plans(_options: &Options) -> Vec<Plan> {
    vec![
        promises(1, 0.34),
        promises(100, 1.0),
        second(),
        suspended(),
        conflicts(),
    ]
}

fn promises(requests: usize, most: f64) -> Plan {
    let load = burst(requests);
    Plan {
        title: format!("{requests} × 3 promises of 300 ms in Zope, {THREADS} threads"),
        columns: COLUMNS,
        cases: vec![case("wsgi-zope", View::Promises, THREADS, &load)],
        bars: vec![absolute("seconds", "wsgi-zope", Limit::AtMost(most))],
    }
}

fn second() -> Plan {
    let load = burst(100);
    let ours = |name: &str, peer, view| Case {
        name: name.to_owned(),
        ..case(peer, view, THREADS, &load)
    };
    let cases = vec![
        ours("wsgi promise", "wsgi", View::Promise),
        ours("wsgi deferred", "wsgi", View::Deferred),
        ours("wsgi-zope promise", "wsgi-zope", View::Promise),
    ];
    let names = ["wsgi promise", "wsgi deferred", "wsgi-zope promise"];
    let most = |name| absolute("seconds", name, Limit::AtMost(1.1));
    Plan {
        title: format!("100 × 1 s of outside work in Python, {THREADS} threads"),
        columns: COLUMNS,
        cases,
        bars: names.map(most).into(),
    }
}

fn suspended() -> Plan {
    const REQUESTS: usize = 10_000;
    let load = Load::Suspended { sockets: REQUESTS };
    Plan {
        title: format!("{REQUESTS} suspended requests in Python, {THREADS} threads"),
        columns: SUSPENDED,
        cases: vec![case("wsgi", View::Suspended, THREADS, &load)],
        // The thread of the promise.
        bars: vec![absolute("more_threads", "wsgi", Limit::AtMost(1.0))],
    }
}

fn conflicts() -> Plan {
    let load = Load::Conflicts {
        clients: 8,
        seconds: 10,
        probes: PROBES,
    };
    let none = |key| absolute(key, "wsgi-zope", Limit::AtMost(0.0));
    Plan {
        title: format!("nothing but conflicts in Zope, {THREADS} threads"),
        columns: CONFLICTS,
        cases: ["wsgi-zope", "zope"]
            .map(|peer| case(peer, View::Conflicts, THREADS, &load))
            .into(),
        bars: vec![none("failed"), none("wrong")],
    }
}

fn burst(sockets: usize) -> Load {
    Load::Burst { sockets, rounds: 1 }
}
