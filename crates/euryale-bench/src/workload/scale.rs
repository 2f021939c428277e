//! Does a unit cost the same when there are many? The cases are sizes, and ours is the only server.

use super::{
    CPU_PER_GB, CPU_PER_REQUEST, Case, Column, Limit, Plan, REQUESTS_PER_SECOND, SECONDS, State, Workload,
};
use super::{bar, known};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const SCALE: Workload = Workload {
    name: "scale",
    about: "1 to 10,000 requests at once, 1 to 64 sockets, blobs of 1 KB to 1 GB: what a unit costs.",
    goal: "the last decade costs ≤ 1.2 × the first, per unit",
    state: State::Rounds(plans),
};

const PER_REQUEST: &[Column] = &[CPU_PER_REQUEST, SECONDS];
const RATE: &[Column] = &[CPU_PER_REQUEST, REQUESTS_PER_SECOND];
const PER_GB: &[Column] = &[CPU_PER_GB, SECONDS];
/// So many requests at least in each burst's case: clock ticks are 10 ms.
const REQUESTS: usize = 20_000;
/// So many rounds at least: sockets are opened once, and that is part of the load.
const ROUNDS: usize = 20;

fn plans(options: &Options) -> Vec<Plan> {
    let peer = known("euryale");
    let of =
        |name: &str, view, load| Case { name: name.to_owned(), peer, view, cap: 2, load, by_default: true };
    let bursts = [("1", 1), ("10", 10), ("100", 100), ("1000", 1_000), ("10000", 10_000)];
    let bursts = bursts.map(|(name, sockets)| {
        let load = Load::Burst { sockets, rounds: (REQUESTS / sockets).max(ROUNDS) };
        of(name, View::Page, load)
    });
    let sockets = [("1", 1), ("4", 4), ("16", 16), ("64", 64)];
    let sockets = sockets.map(|(name, connections)| {
        let load = Load::Wrk { connections, seconds: options.seconds };
        of(name, View::Page, load)
    });
    let blobs = [
        ("1 KB", 1_000, 200_000),
        ("32 KB", 32_000, 50_000),
        ("1 MB", 1_000_000, 2_000),
        ("32 MB", 32_000_000, 64),
        ("1 GB", 1_000_000_000, 4),
    ];
    let blobs = blobs.map(|(name, length, requests)| {
        let load = Load::Drain { requests, sockets: 4, length };
        of(name, View::Files, load)
    });
    vec![
        Plan {
            title: "requests at once, cap 2".to_owned(),
            columns: PER_REQUEST,
            cases: bursts.into(),
            bars: vec![bar("cpu_per_request", "10000", "1", Limit::AtMost(1.2))],
        },
        Plan {
            title: "sockets that ask again at once, cap 2".to_owned(),
            columns: RATE,
            cases: sockets.into(),
            bars: vec![bar("cpu_per_request", "64", "1", Limit::AtMost(1.2))],
        },
        Plan {
            title: "blobs on 4 sockets".to_owned(),
            columns: PER_GB,
            cases: blobs.into(),
            bars: vec![bar("cpu_per_gb", "1 GB", "1 MB", Limit::AtMost(1.2))],
        },
    ]
}
