//! Files, small and large. Lengths are those that ZServer was once measured with. Of the small ones there are so many
//! that their CPU time is more than the grain of the system's account.

use super::{Bar, CPU_PER_GB, Column, Limit, Plan, SECONDS, State, Workload, absolute, bar, case, column};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const SMALL: Workload = Workload {
    name: "blob-s",
    about: "2,613,064 bytes × 1,000, 20 at a time.",
    goal: "wall and CPU per GB ≤ 1.10 × nginx",
    state: State::Rounds(small),
};

pub(super) const LARGE: Workload = Workload {
    name: "blob-l",
    about: "426,112,439 bytes × 10, 10 at a time.",
    goal: "wall ≤ 1.05 × nginx, CPU per GB ≤ 1.10 × nginx, first byte ≤ 5 ms in the mean; without sendfile ≤ 0.25 s/GB",
    state: State::Rounds(large),
};

const COLUMNS: &[Column] = &[
    SECONDS,
    CPU_PER_GB,
    column("first_byte_mean_ms", "first byte mean ms", 1),
    column("first_byte_max_ms", "max ms", 1),
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

fn small(_options: &Options) -> Vec<Plan> {
    let load = Load::Drain { requests: 1000, sockets: 20, length: 2_613_064 };
    vec![plan("small blobs", &load, bars(1.10))]
}

fn large(_options: &Options) -> Vec<Plan> {
    let load = Load::Drain { requests: 10, sockets: 10, length: 426_112_439 };
    let mut bars = bars(1.05);
    bars.push(absolute("first_byte_mean_ms", "euryale", Limit::AtMost(5.0)));
    bars.push(absolute("cpu_per_gb", "euryale-read", Limit::AtMost(0.25)));
    bars.push(bar("cpu_per_gb", "euryale", "tower-http", Limit::AtMost(0.12)));
    vec![plan("large blobs", &load, bars)]
}

fn plan(title: &str, load: &Load, bars: Vec<Bar>) -> Plan {
    let cases = PEERS.map(|peer| case(peer, View::Files, 2, load)).into();
    Plan { title: title.to_owned(), columns: COLUMNS, cases, bars }
}

fn bars(wall: f64) -> Vec<Bar> {
    vec![
        bar("seconds", "euryale", "nginx", Limit::AtMost(wall)),
        bar("cpu_per_gb", "euryale", "nginx", Limit::AtMost(1.10)),
    ]
}
