//! Slow sockets and idle sockets.

use super::plan::{
    ANSWERED, Bar, Base, CPU_PER_GB, Column, Limit, P50, P99, PROBES, Plan, State, Workload,
    absolute, bar, case, column,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const STALL: Workload = Workload {
    name: "stall",
    about: "200 downloads that nobody reads, and probes of a page during them.",
    goal: "50 of 50 probes answered, p99 at the server ≤ 2 × quiet, less than 30 MiB more memory",
    state: State::Rounds(stall),
};

pub(super) const UPLOAD: Workload = Workload {
    name: "upload",
    about: "200 uploads of 10 MB, drop by drop, with probes of a page; then 8 of 1 GB as fast as \
        they go.",
    goal: "no worker held; at least granian's rate and 0.8 × nginx's with \
        client_body_in_file_only, ≤ 0.65 s/GB",
    state: State::Rounds(upload),
};

pub(super) const IDLE: Workload = Workload {
    name: "idle",
    about: "10,000 keep-alive sockets that do nothing.",
    goal: "at most 4 kB above nginx's",
    state: State::Rounds(idle),
};

pub(super) const SIEGE: Workload = Workload {
    name: "siege",
    about: "1,000 heads that trickle and 10,000 idle sockets, and probes of a page during them.",
    goal: "p99 of the page ≤ 2 × quiet, less than 200 MiB of memory",
    state: State::Rounds(siege),
};

/// Longer than all buffers between the server and the client.
const STALLED: u64 = 64 << 20;

const STALLS: &[Column] = &[
    ANSWERED,
    P50,
    P99,
    column("p99_ms_quiet", "quiet p99 ms", 2),
    column("p99_ms_begin", "p99 ms as they begin", 2),
    column("server_p99_ms", "at the server: p99 ms ≤", 2),
    column("server_p99_ms_quiet", "quiet ≤", 2),
    Column {
        key: "served",
        title: "downloads begun",
        digits: 0,
        more_is_better: true,
    },
    column("grown_mib", "memory + MiB", 1),
];

fn stall(_options: &Options) -> Vec<Plan> {
    let load = Load::Stall {
        downloads: 200,
        length: STALLED,
        probes: PROBES,
    };
    let peers = [
        "nginx",
        "euryale",
        "tower-http",
        "actix-files",
        "granian",
        "gunicorn",
        "waitress",
    ];
    vec![Plan {
        title: "200 stalled downloads, cap 4".to_owned(),
        columns: STALLS,
        cases: peers.map(|peer| case(peer, View::Files, 4, &load)).into(),
        bars: vec![
            absolute("answered", "euryale", Limit::AtLeast(PROBES as f64)),
            absolute("server_p99_growth", "euryale", Limit::AtMost(2.0)),
            absolute("grown_mib", "euryale", Limit::AtMost(30.0)),
        ],
    }]
}

const TRICKLES: &[Column] = &[
    ANSWERED,
    P50,
    P99,
    column("workers", "publishers at work, mean", 2),
    super::plan::SECONDS,
];
const RATES: &[Column] = &[
    Column {
        key: "gigabytes_per_second",
        title: "GB/s",
        digits: 3,
        more_is_better: true,
    },
    super::plan::SECONDS,
    CPU_PER_GB,
];
/// The duration of each slow upload.
const PACE: u32 = 10;

fn upload(options: &Options) -> Vec<Plan> {
    let slow = Load::Trickle {
        sockets: 200,
        length: 10_000_000,
        seconds: PACE,
        probes: PROBES,
    };
    let length = options.megabytes * 1_000_000;
    let fast = Load::Upload { sockets: 8, length };
    let peers = ["nginx", "euryale", "granian", "gunicorn", "waitress"];
    let cases = |load| peers.map(|peer| case(peer, View::Upload, 2, load)).into();
    vec![
        Plan {
            title: format!("200 uploads of 10 MB in {PACE} s, cap 2"),
            columns: TRICKLES,
            cases: cases(&slow),
            bars: vec![
                absolute("answered", "euryale", Limit::AtLeast(PROBES as f64)),
                absolute("workers", "euryale", Limit::AtMost(0.1)),
            ],
        },
        Plan {
            title: format!("8 uploads of {} MB at full speed, cap 2", options.megabytes),
            columns: RATES,
            cases: cases(&fast),
            bars: vec![
                bar(
                    "gigabytes_per_second",
                    "euryale",
                    "granian",
                    Limit::AtLeast(1.0),
                ),
                bar(
                    "gigabytes_per_second",
                    "euryale",
                    "nginx",
                    Limit::AtLeast(0.8),
                ),
                absolute("cpu_per_gb", "euryale", Limit::AtMost(0.65)),
            ],
        },
    ]
}

const IDLES: &[Column] = &[
    column("bytes_per_socket", "memory per socket, bytes", 0),
    column("grown_per_socket", "of which came with it", 0),
];
const SOCKETS: usize = 10_000;

fn idle(_options: &Options) -> Vec<Plan> {
    let load = Load::Idle { sockets: SOCKETS };
    vec![Plan {
        title: format!("{SOCKETS} idle sockets"),
        columns: IDLES,
        cases: vec![
            case("nginx", View::Page, 2, &load),
            case("bare", View::Page, 2, &load),
            case("euryale", View::Page, 2, &load),
        ],
        bars: vec![Bar {
            key: "bytes_per_socket",
            case: "euryale",
            base: Base::Above("nginx"),
            limit: Limit::AtMost(4000.0),
        }],
    }]
}

const SIEGES: &[Column] = &[
    P99,
    P50,
    column("p99_ms_quiet", "quiet p99 ms", 2),
    column("p50_ms_quiet", "quiet p50 ms", 2),
    column("resident_mib", "memory MiB", 1),
    ANSWERED,
];
/// Enough for a p99.
const SIEGE_PROBES: usize = 500;

fn siege(_options: &Options) -> Vec<Plan> {
    let load = Load::Siege {
        heads: 1_000,
        sockets: SOCKETS,
        probes: SIEGE_PROBES,
    };
    vec![Plan {
        title: format!("1000 slow heads and {SOCKETS} idle sockets, cap 2"),
        columns: SIEGES,
        cases: ["nginx", "euryale"]
            .map(|peer| case(peer, View::Page, 2, &load))
            .into(),
        bars: vec![
            absolute("answered", "euryale", Limit::AtLeast(SIEGE_PROBES as f64)),
            absolute("p99_growth", "euryale", Limit::AtMost(2.0)),
            absolute("resident_mib", "euryale", Limit::AtMost(200.0)),
        ],
    }]
}
