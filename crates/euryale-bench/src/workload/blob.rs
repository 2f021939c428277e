//! Files, small and large. The lengths are those with which ZServer was once measured. There are
//! enough small ones that their CPU time is well above the resolution of the system's clock ticks.

use super::plan::{
    ANSWERED, Bar, CPU_PER_GB, CPU_PER_REQUEST, Column, Limit, P50, P99, PROBES, Plan,
    REQUESTS_PER_SECOND, SECONDS, State, Workload, absolute, bar, case, column,
};
use crate::cli::Options;
use crate::load::{Asks, Load, Program};
use crate::scene::View;

pub(super) const SMALL: Workload = Workload {
    name: "blob-s",
    about: "2,613,064 bytes × 1,000, 20 at a time, on 20 sockets and on a new one each; 4 KiB as \
        often as they come.",
    goal: "a socket each: wall ≤ 1.02 × nginx, CPU per GB ≤ 1.3 × nginx; kept alive: wall ≤ nginx, \
        CPU per GB ≤ 1.10 × nginx; \
        4 KiB: ≥ 0.8 × nginx's requests/s, ≥ 1.5 × tower-http's",
    state: State::Rounds(small),
};

pub(super) const LARGE: Workload = Workload {
    name: "blob-l",
    about: "426,112,439 bytes × 10, 10 at a time.",
    goal: "wall ≤ 1.02 × nginx, CPU per GB ≤ 0.95 × nginx, first byte ≤ 3 ms and worker held < 1 \
        ms in the mean; \
           without sendfile ≤ 0.25 s/GB",
    state: State::Rounds(large),
};

pub(super) const COLD: Workload = Workload {
    name: "cold",
    about: "10 downloads of 300 MB that are not in memory, and probes of a page during them.",
    goal: "50 of 50 probes answered, p99 at the server < 20 ms",
    state: State::Rounds(cold),
};

const COLUMNS: &[Column] = &[
    SECONDS,
    CPU_PER_GB,
    column("first_byte_mean_ms", "first byte mean ms", 1),
    column("first_byte_max_ms", "max ms", 1),
    column("publish_mean_ms", "worker held, mean ms", 3),
];
const PEERS: [&str; 10] = [
    "nginx",
    "nginx-read",
    "euryale",
    "euryale-read",
    "tower-http",
    "actix-files",
    "granian",
    "gunicorn",
    "waitress",
    "twisted",
];

/// The most common pictures of a page are about this long.
const TINY: u64 = 4096;

fn small(options: &Options) -> Vec<Plan> {
    let load = |keep_alive| Load::Drain {
        requests: 1000,
        sockets: 20,
        length: 2_613_064,
        keep_alive,
    };
    let seconds = |most| bar("seconds", "euryale", "nginx", Limit::AtMost(most));
    let cpu = |most| bar("cpu_per_gb", "euryale", "nginx", Limit::AtMost(most));
    vec![
        plan("small blobs", 2, &load(true), vec![seconds(1.0), cpu(1.1)]),
        plan(
            "small blobs, a socket each",
            2,
            &load(false),
            vec![seconds(1.02), cpu(1.3)],
        ),
        tiny(options),
    ]
}

const RATE: &[Column] = &[REQUESTS_PER_SECOND, CPU_PER_REQUEST, P50, P99];

fn tiny(options: &Options) -> Plan {
    let load = Load::By(Program::Wrk {
        connections: 20,
        seconds: options.seconds,
        asks: Asks::Blob(TINY),
    });
    let rate = |base, least| {
        let least = Limit::AtLeast(least);
        bar("requests_per_second", "euryale", base, least)
    };
    Plan {
        title: "blobs of 4 KiB on 20 sockets".to_owned(),
        columns: RATE,
        cases: ["nginx", "euryale", "euryale-read", "tower-http"]
            .map(|peer| case(peer, View::Files, 2, &load))
            .into(),
        bars: vec![rate("nginx", 0.8), rate("tower-http", 1.5)],
    }
}

fn large(_options: &Options) -> Vec<Plan> {
    let load = Load::Drain {
        requests: 10,
        sockets: 10,
        length: 426_112_439,
        keep_alive: true,
    };
    let bars = vec![
        bar("seconds", "euryale", "nginx", Limit::AtMost(1.02)),
        bar("cpu_per_gb", "euryale", "nginx", Limit::AtMost(0.95)),
        absolute("first_byte_mean_ms", "euryale", Limit::AtMost(3.0)),
        absolute("publish_mean_ms", "euryale", Limit::AtMost(1.0)),
        absolute("cpu_per_gb", "euryale-read", Limit::AtMost(0.25)),
        bar("cpu_per_gb", "euryale", "tower-http", Limit::AtMost(0.12)),
    ];
    // Ten downloads and one connection: no download of ours waits until another one ends.
    vec![plan("large blobs", 1, &load, bars)]
}

const COLDS: &[Column] = &[
    ANSWERED,
    P50,
    P99,
    column("p99_ms_quiet", "quiet p99 ms", 2),
    column("server_p99_ms", "at the server: p99 ms ≤", 2),
    column("server_p99_ms_quiet", "quiet ≤", 2),
    Column {
        key: "under_way",
        title: "downloads that outlast the probes",
        digits: 0,
        more_is_better: true,
    },
    SECONDS,
    CPU_PER_GB,
];

fn cold(_options: &Options) -> Vec<Plan> {
    let load = Load::Cold {
        downloads: 10,
        length: 300_000_000,
        probes: PROBES,
    };
    let cases = [
        "nginx",
        "euryale",
        "euryale-read",
        "tower-http",
        "actix-files",
    ];
    let bars = ["euryale", "euryale-read"].map(|peer| {
        [
            absolute("answered", peer, Limit::AtLeast(PROBES as f64)),
            absolute("server_p99_ms", peer, Limit::AtMost(20.0)),
        ]
    });
    vec![Plan {
        title: "10 downloads from the disk, cap 2".to_owned(),
        columns: COLDS,
        cases: cases.map(|peer| case(peer, View::Files, 2, &load)).into(),
        bars: bars.into_iter().flatten().collect(),
    }]
}

/// Euryale with this number of connections; servers that hold a thread for each download with two.
fn plan(title: &str, connections: usize, load: &Load, bars: Vec<Bar>) -> Plan {
    let cap = |peer: &str| {
        if peer.starts_with("euryale") {
            connections
        } else {
            2
        }
    };
    let cases = PEERS
        .map(|peer| case(peer, View::Files, cap(peer), load))
        .into();
    Plan {
        title: title.to_owned(),
        columns: COLUMNS,
        cases,
        bars,
    }
}
