//! Checks that the cost per unit stays the same when there are many. The cases are sizes, and the
//! server is Euryale, with `bare` beside it for the sockets' share.

use super::plan::{
    CPU_PER_GB, CPU_PER_REQUEST, Case, Column, Limit, Plan, REQUESTS_PER_SECOND, SECONDS, State,
    Workload, bar, case, column, wrk,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const SCALE: Workload = Workload {
    name: "scale",
    about: "1 to 10,000 requests at once, 1 to 64 sockets, connections and lanes, blobs of 1 KB \
        to 1 GB, pages of 1 KB to 1 MB, 1 to 64 transforms: what a unit costs.",
    goal: "the largest costs ≤ 1.2 × a smaller one, per unit",
    state: State::Sizes(plans),
};

const OURS: &str = "euryale";

const PER_REQUEST: &[Column] = &[CPU_PER_REQUEST, SECONDS];
const RATE: &[Column] = &[CPU_PER_REQUEST, REQUESTS_PER_SECOND];
const PARTS: &[Column] = &[
    column("cpu_per_part", "CPU ns/request and unit", 2),
    CPU_PER_REQUEST,
    REQUESTS_PER_SECOND,
];
const PER_GB: &[Column] = &[CPU_PER_GB, SECONDS];
/// The minimum number of requests in each case of a burst, because clock ticks are 10 ms.
const REQUESTS: usize = 20_000;
/// The minimum number of rounds: sockets are opened once, and that is part of the load.
const ROUNDS: usize = 20;

fn plans(options: &Options) -> Vec<Plan> {
    let limit = Limit::AtMost(1.2);
    vec![
        Plan {
            title: "requests at once, cap 2".to_owned(),
            columns: PER_REQUEST,
            cases: bursts(OURS),
            bars: vec![bar("cpu_per_request", "10000", "1", limit)],
        },
        Plan {
            // A comparison that shows the share of the sockets in the cost.
            title: "requests at once, axum without a worker".to_owned(),
            columns: PER_REQUEST,
            cases: bursts("bare"),
            bars: Vec::new(),
        },
        Plan {
            title: "sockets that ask again at once, cap 2".to_owned(),
            columns: RATE,
            cases: sockets(OURS, options.seconds),
            bars: vec![bar("cpu_per_request", "64", "1", limit)],
        },
        Plan {
            title: "connections, 64 sockets".to_owned(),
            columns: RATE,
            cases: connections(options.seconds),
            bars: vec![bar("cpu_per_request", "64", "1", limit)],
        },
        Plan {
            title: "lanes, 64 sockets, cap 2".to_owned(),
            columns: RATE,
            cases: counts(View::Lanes, &POWERS, options.seconds),
            bars: vec![bar("cpu_per_request", "64", "1", limit)],
        },
        Plan {
            title: "bytes of a page, 64 sockets, cap 2".to_owned(),
            columns: PARTS,
            cases: counts(View::Sized, &LENGTHS, options.seconds),
            bars: vec![bar("cpu_per_part", "1 MB", "100 KB", limit)],
        },
        Plan {
            title: "transforms of a page of 16 KiB, 64 sockets, cap 2".to_owned(),
            columns: PARTS,
            cases: counts(View::Transforms, &POWERS, options.seconds),
            bars: vec![bar("cpu_per_part", "64", "16", limit)],
        },
        Plan {
            title: "blobs on 4 sockets".to_owned(),
            columns: PER_GB,
            cases: blobs(OURS),
            bars: vec![bar("cpu_per_gb", "1 GB", "1 MB", limit)],
        },
    ]
}

fn of(name: &str, peer: &'static str, view: View, load: &Load) -> Case {
    Case {
        name: name.to_owned(),
        ..case(peer, view, 2, load)
    }
}

fn bursts(peer: &'static str) -> Vec<Case> {
    let burst = |sockets: usize| {
        let load = Load::Burst {
            sockets,
            rounds: (REQUESTS / sockets).max(ROUNDS),
        };
        of(&sockets.to_string(), peer, View::Page, &load)
    };
    [1, 10, 100, 1_000, 10_000].map(burst).into()
}

fn sockets(peer: &'static str, seconds: u32) -> Vec<Case> {
    let wrk = |connections: u32| {
        let load = wrk(connections, seconds);
        of(&connections.to_string(), peer, View::Page, &load)
    };
    [1, 4, 16, 64].map(wrk).into()
}

const SOCKETS: u32 = 64;
const POWERS: [(&str, usize); 4] = [("1", 1), ("4", 4), ("16", 16), ("64", 64)];
const LENGTHS: [(&str, usize); 4] = [
    ("1 KB", 1_000),
    ("10 KB", 10_000),
    ("100 KB", 100_000),
    ("1 MB", 1_000_000),
];

fn connections(seconds: u32) -> Vec<Case> {
    let load = wrk(SOCKETS, seconds);
    let connections = |(name, cap)| Case {
        cap,
        ..of(name, OURS, View::Page, &load)
    };
    POWERS.map(connections).into()
}

fn counts(view: View, counts: &[(&str, usize)], seconds: u32) -> Vec<Case> {
    let load = wrk(SOCKETS, seconds);
    let case = |(name, count): &(&str, usize)| Case {
        count: *count,
        ..of(name, OURS, view, &load)
    };
    counts.iter().map(case).collect()
}

fn blobs(peer: &'static str) -> Vec<Case> {
    let blob = |(name, length, requests)| {
        let load = Load::Drain {
            requests,
            sockets: 4,
            length,
            keep_alive: true,
        };
        of(name, peer, View::Files, &load)
    };
    let sizes = [
        ("1 KB", 1_000, 200_000),
        ("32 KB", 32_000, 50_000),
        ("1 MB", 1_000_000, 2_000),
        ("32 MB", 32_000_000, 64),
        ("1 GB", 1_000_000_000, 4),
    ];
    sizes.map(blob).into()
}
