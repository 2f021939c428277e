//! Plone: the figures that were once published for ZServer, and those that users of Plone notice.

use super::plan::{
    ANSWERED, CPU_PER_GB, Column, Limit, P50, Plan, SECONDS, State, Workload, absolute, bar, case,
    column,
};
use crate::cli::Options;
use crate::load::Load;
use crate::scene::View;

pub(super) const PLONE: Workload = Workload {
    name: "plone",
    about: "ZServer's published benchmarks on Plone: 10 × 426,112,439 bytes with one thread, and \
        200 × 2,613,064 bytes, 20 at a time; then a page beside 20 downloads and 2 uploads.",
    goal: "large: ≤ 0.6 × waitress's time, first byte ≤ 100 ms in the mean; small: ≤ waitress's \
        time; the page ≤ 3 × its time alone, less than 10 MiB more memory",
    state: State::Rounds(plone),
};

const LARGE: u64 = 426_112_439;
const SMALL: u64 = 2_613_064;
const PEERS: [&str; 2] = ["plone", "plone-waitress"];

const FILES: &[Column] = &[
    SECONDS,
    CPU_PER_GB,
    column("first_byte_mean_ms", "first byte mean ms", 1),
    column("first_byte_max_ms", "max ms", 1),
];

const BESIDE: &[Column] = &[
    P50,
    column("p50_ms_quiet", "alone p50 ms", 2),
    ANSWERED,
    Column {
        key: "served",
        title: "downloads begun",
        digits: 0,
        more_is_better: true,
    },
    column("grown_mib", "memory + MiB", 1),
];

/// The number of pages for each median.
const PAGES: usize = 21;

fn plone(_options: &Options) -> Vec<Plan> {
    let large = Load::Drain {
        requests: 10,
        sockets: 10,
        length: LARGE,
        keep_alive: true,
    };
    let small = Load::Drain {
        requests: 200,
        sockets: 20,
        length: SMALL,
        keep_alive: true,
    };
    let beside = Load::Beside {
        downloads: 20,
        length: LARGE,
        uploads: 2,
        probes: PAGES,
    };
    let plan = |title: &str, columns, threads, load: &Load, bars| Plan {
        title: title.to_owned(),
        columns,
        cases: PEERS
            .map(|peer| case(peer, View::Files, threads, load))
            .into(),
        bars,
    };
    vec![
        plan(
            "Plone, 10 large blobs, 1 thread",
            FILES,
            1,
            &large,
            vec![
                bar("seconds", "plone", "plone-waitress", Limit::AtMost(0.6)),
                absolute("first_byte_mean_ms", "plone", Limit::AtMost(100.0)),
            ],
        ),
        plan(
            "Plone, 200 small blobs, 2 threads",
            FILES,
            2,
            &small,
            vec![bar(
                "seconds",
                "plone",
                "plone-waitress",
                Limit::AtMost(1.0),
            )],
        ),
        plan(
            "Plone, a page beside 20 slow downloads and 2 slow uploads, 2 threads",
            BESIDE,
            2,
            &beside,
            vec![
                absolute("answered", "plone", Limit::AtLeast(PAGES as f64)),
                absolute("p50_growth", "plone", Limit::AtMost(3.0)),
                absolute("grown_mib", "plone", Limit::AtMost(10.0)),
            ],
        ),
    ]
}
