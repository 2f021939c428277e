//! Servers of WSGI applications: a page without work, Zope's, and files of `wsgi.file_wrapper`.

use super::plan::{
    CPU_PER_GB, CPU_PER_REQUEST, Column, Limit, P50, P99, Plan, REQUESTS_PER_SECOND, SECONDS,
    State, Workload, absolute, bar, case, column, wrk,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const WSGI: Workload = Workload {
    name: "wsgi",
    about: "Five characters with 1, 2 and 4 threads, 100 MB × 40 through `wsgi.file_wrapper`, and \
        a view of Zope's with 1 and 2 threads, each under our Python package and under other \
        servers.",
    goal: "page: ≥ 0.95 × granian's requests/s with ≤ 1.1 × its CPU; files: ≤ gunicorn's \
        CPU; Zope with 2 threads: ≥ 1.2 × waitress's requests/s, p99 ≤ 3 × the median",
    state: State::Rounds(plans),
};

const PAGES: &[Column] = &[
    REQUESTS_PER_SECOND,
    CPU_PER_REQUEST,
    P50,
    P99,
    column("p99_per_p50", "p99 / p50", 1),
];
const FILES: &[Column] = &[SECONDS, CPU_PER_GB];

const LENGTH: u64 = 100_000_000;

/// As in the measurements that the goals come from.
const ZOPE_SOCKETS: u32 = 8;

fn plans(options: &Options) -> Vec<Plan> {
    let load = |connections| wrk(connections, options.seconds);
    let hello = [1, 2, 4].map(|threads| page(threads, &load(options.connections)));
    let zope = [1, 2].map(|threads| zope(threads, &load(ZOPE_SOCKETS)));
    hello.into_iter().chain(zope).chain([files()]).collect()
}

fn page(threads: usize, load: &Load) -> Plan {
    let peers = ["wsgi", "granian", "waitress", "gunicorn", "pyruvate"];
    let limits = [
        ("requests_per_second", Limit::AtLeast(0.95)),
        ("cpu_per_request", Limit::AtMost(1.1)),
    ];
    Plan {
        title: format!("WSGI, a page, {threads} threads"),
        columns: PAGES,
        cases: peers
            .map(|peer| case(peer, View::Page, threads, load))
            .into(),
        bars: limits
            .map(|(key, limit)| bar(key, "wsgi", "granian", limit))
            .into(),
    }
}

fn zope(threads: usize, load: &Load) -> Plan {
    let peers = [
        "wsgi-zope",
        "wsgi-zope-contending",
        "granian-zope",
        "zope",
        "gunicorn-zope",
        "pyruvate-zope",
    ];
    let bars = vec![
        bar(
            "requests_per_second",
            "wsgi-zope",
            "zope",
            Limit::AtLeast(1.2),
        ),
        absolute("p99_per_p50", "wsgi-zope", Limit::AtMost(3.0)),
    ];
    Plan {
        title: format!("WSGI, Zope, {threads} threads"),
        columns: PAGES,
        cases: peers
            .map(|peer| case(peer, View::Page, threads, load))
            .into(),
        bars,
    }
}

fn files() -> Plan {
    let load = Load::Drain {
        requests: 40,
        sockets: 4,
        length: LENGTH,
        keep_alive: true,
    };
    let peers = ["wsgi", "granian", "waitress", "gunicorn", "pyruvate"];
    Plan {
        title: "WSGI, 100 MB through `wsgi.file_wrapper`, 2 threads".to_owned(),
        columns: FILES,
        cases: peers.map(|peer| case(peer, View::Files, 2, &load)).into(),
        bars: vec![bar("cpu_per_gb", "wsgi", "gunicorn", Limit::AtMost(1.0))],
    }
}
