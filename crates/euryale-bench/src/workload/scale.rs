//! Checks that the cost per unit stays the same when there are many. The cases are sizes, and the
//! server is Euryale.

use super::plan::{
    CPU_PER_GB, CPU_PER_REQUEST, Case, Column, Limit, Plan, REQUESTS_PER_SECOND, SECONDS, State,
    Workload, bar, known,
};
use crate::cli::Options;
use crate::load::Load;
use crate::peers::Peer;
use crate::scene::View;

pub(super) const SCALE: Workload = Workload {
    name: "scale",
    about: "1 to 10,000 requests at once, 1 to 64 sockets, blobs of 1 KB to 1 GB: what a unit \
        costs.",
    goal: "the last decade costs ≤ 1.2 × the first, per unit",
    state: State::Rounds(plans),
};

const PER_REQUEST: &[Column] = &[CPU_PER_REQUEST, SECONDS];
const RATE: &[Column] = &[CPU_PER_REQUEST, REQUESTS_PER_SECOND];
const PER_GB: &[Column] = &[CPU_PER_GB, SECONDS];
/// The minimum number of requests in each case of a burst, because clock ticks are 10 ms.
const REQUESTS: usize = 20_000;
/// The minimum number of rounds: sockets are opened once, and that is part of the load.
const ROUNDS: usize = 20;

fn plans(options: &Options) -> Vec<Plan> {
    let ours = known("euryale");
    let limit = Limit::AtMost(1.2);
    vec![
        Plan {
            title: "requests at once, cap 2".to_owned(),
            columns: PER_REQUEST,
            cases: bursts(ours),
            bars: vec![bar("cpu_per_request", "10000", "1", limit)],
        },
        Plan {
            // A comparison that shows the share of the sockets in the cost.
            title: "requests at once, axum without a worker".to_owned(),
            columns: PER_REQUEST,
            cases: bursts(known("bare")),
            bars: Vec::new(),
        },
        Plan {
            title: "sockets that ask again at once, cap 2".to_owned(),
            columns: RATE,
            cases: sockets(ours, options.seconds),
            bars: vec![bar("cpu_per_request", "64", "1", limit)],
        },
        Plan {
            title: "blobs on 4 sockets".to_owned(),
            columns: PER_GB,
            cases: blobs(ours),
            bars: vec![bar("cpu_per_gb", "1 GB", "1 MB", limit)],
        },
    ]
}

fn of(name: &str, peer: &'static Peer, view: View, load: Load) -> Case {
    Case {
        name: name.to_owned(),
        peer,
        view,
        cap: 2,
        load,
        by_default: true,
    }
}

fn bursts(peer: &'static Peer) -> Vec<Case> {
    let burst = |sockets: usize| {
        let load = Load::Burst {
            sockets,
            rounds: (REQUESTS / sockets).max(ROUNDS),
        };
        of(&sockets.to_string(), peer, View::Page, load)
    };
    [1, 10, 100, 1_000, 10_000].map(burst).into()
}

fn sockets(peer: &'static Peer, seconds: u32) -> Vec<Case> {
    let wrk = |connections: u32| {
        let load = Load::Wrk {
            connections,
            seconds,
        };
        of(&connections.to_string(), peer, View::Page, load)
    };
    [1, 4, 16, 64].map(wrk).into()
}

fn blobs(peer: &'static Peer) -> Vec<Case> {
    let blob = |(name, length, requests)| {
        let load = Load::Drain {
            requests,
            sockets: 4,
            length,
        };
        of(name, peer, View::Files, load)
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
