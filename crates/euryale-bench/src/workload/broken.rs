//! Servers that the harness must report as failed, together with a good one and a late one.

use super::plan::{
    CPU_PER_REQUEST, Case, Column, P50, Plan, REQUESTS_PER_SECOND, SECONDS, State, Workload, case,
    wrk,
};
use crate::cli::Options;
use crate::load::{Load, Program};
use crate::scene::{View, Wire};

pub(super) const PAGE: Workload = workload("broken-page", page);
pub(super) const BLOB: Workload = workload("broken-blob", blob);
pub(super) const WIRE: Workload = workload("broken-wire", wire);
pub(super) const BURST: Workload = workload("broken-burst", burst);

const fn workload(name: &'static str, plans: fn(&Options) -> Vec<Plan>) -> Workload {
    Workload {
        name,
        about: "Servers that must be reported as failed, beside those that must not.",
        goal: "none",
        state: State::Rounds(plans),
    }
}

const PEERS: [&str; 10] = [
    "sound",
    "late",
    "wrong-page",
    "corrupt",
    "truncating",
    "failing",
    "failing-under-load",
    "silent",
    "dying",
    "nowhere",
];
/// The tests use the same length.
const LENGTH: u64 = 1_000_003;

fn plan(columns: &'static [Column], view: View, load: &Load) -> Vec<Plan> {
    let cases: Vec<Case> = PEERS.map(|peer| case(peer, view, 2, load)).into();
    vec![Plan {
        title: "broken".to_owned(),
        columns,
        cases,
        bars: Vec::new(),
    }]
}

fn page(options: &Options) -> Vec<Plan> {
    let load = wrk(2, options.seconds);
    plan(&[CPU_PER_REQUEST, REQUESTS_PER_SECOND], View::Page, &load)
}

fn blob(_options: &Options) -> Vec<Plan> {
    plan(
        &[SECONDS],
        View::Files,
        &Load::Drain {
            requests: 8,
            sockets: 2,
            length: LENGTH,
            keep_alive: true,
        },
    )
}

fn burst(_options: &Options) -> Vec<Plan> {
    plan(
        &[SECONDS, P50],
        View::Page,
        &Load::Burst {
            sockets: 20,
            rounds: 2,
        },
    )
}

/// TLS and HTTP/2, which the sound server does not have.
fn wire(_options: &Options) -> Vec<Plan> {
    let curl = |http2| {
        Load::By(Program::Curl {
            requests: 2,
            length: LENGTH,
            http2,
        })
    };
    let files = Load::By(Program::Files {
        requests: 8,
        connections: 2,
        length: LENGTH,
    });
    let named = |name: &str, wire, load: &Load| Case {
        name: name.to_owned(),
        wire,
        ..case("euryale", View::Files, 2, load)
    };
    let sound = case("sound", View::Files, 2, &files);
    vec![Plan {
        title: "broken".to_owned(),
        columns: &[SECONDS],
        cases: vec![
            named("euryale h2", Wire::Http2, &files),
            named("euryale tls", Wire::Tls, &curl(false)),
            named("euryale tls h2", Wire::Tls, &curl(true)),
            Case {
                wire: Wire::Http2,
                ..sound
            },
        ],
        bars: Vec::new(),
    }]
}
