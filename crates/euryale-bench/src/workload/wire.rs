//! Files over TLS and HTTP/2, where no server can use `sendfile`.

use super::plan::{
    CPU_PER_GB, Case, Column, Limit, Plan, SECONDS, State, Workload, absolute, bar, case, column,
};
use crate::cli::Options;
use crate::load::{Load, Program};
use crate::scene::{View, Wire};

pub(super) const BLOB_TLS: Workload = Workload {
    name: "blob-tls",
    about: "426,112,439 bytes × 3, one after the other: HTTP/1.1 and HTTP/2 over TLS through curl \
        with the same cipher, and HTTP/2 without TLS; 2,613,064 bytes × 800 over HTTP/2 on 20 \
        connections.",
    goal: "CPU per GB over TLS: HTTP/1.1 ≤ 0.45 × nginx's, HTTP/2 ≤ 0.55 ×; plain HTTP/2 ≤ 0.20 \
        s/GB, small files over it ≤ 0.30",
    state: State::Rounds(plans),
};

const COLUMNS: &[Column] = &[
    CPU_PER_GB,
    SECONDS,
    column("first_byte_mean_ms", "first byte mean ms", 1),
    column("mean_ms", "download, mean ms", 0),
];
const LENGTH: u64 = 426_112_439;
const SMALL: u64 = 2_613_064;

fn plans(_options: &Options) -> Vec<Plan> {
    let curl = |http2| {
        Load::By(Program::Curl {
            requests: 3,
            length: LENGTH,
            http2,
        })
    };
    let h2load = |requests, connections, length| {
        Load::By(Program::Files {
            requests,
            connections,
            length,
        })
    };
    let beside_nginx = |most| bar("cpu_per_gb", "euryale", "nginx", Limit::AtMost(most));
    let least = |most| absolute("cpu_per_gb", "euryale", Limit::AtMost(most));
    let plan = |title: &str, wire, load: &Load, bar| Plan {
        title: title.to_owned(),
        columns: COLUMNS,
        cases: ["nginx", "euryale"]
            .map(|peer| Case {
                wire,
                ..case(peer, View::Files, 2, load)
            })
            .into(),
        bars: vec![bar],
    };
    vec![
        plan(
            "large blobs, HTTP/1.1 over TLS",
            Wire::Tls,
            &curl(false),
            beside_nginx(0.45),
        ),
        plan(
            "large blobs, HTTP/2 over TLS",
            Wire::Tls,
            &curl(true),
            beside_nginx(0.55),
        ),
        plan(
            "large blobs, HTTP/2",
            Wire::Http2,
            &h2load(3, 1, LENGTH),
            least(0.20),
        ),
        plan(
            "small blobs, HTTP/2",
            Wire::Http2,
            &h2load(800, 20, SMALL),
            least(0.30),
        ),
    ]
}
