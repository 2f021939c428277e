//! Floods of cheap requests. During each flood, pages and `/livez` are answered in time, and after
//! it the site returns to its previous memory.
//!
//! The clients run in this process and share the machine with the site, so their processor time is
//! part of each latency.

mod bombs;
mod client;
mod downloads;
mod forms;
mod probe;
mod report;
mod searches;
mod sockets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use euryale_test::H2Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::client::{Client, Crowd, Life, Tally};
use self::probe::{Probe, Sockets};
use self::report::{Bars, Report, Row};
use super::pictures::black;
use super::{Running, between_looks};

/// One kind of flood.
#[derive(Clone)]
struct Flood {
    name: &'static str,
    /// The size of a real attack.
    full: Size,
    /// The smallest size that still reaches the limit in question.
    small: Size,
    /// The sockets on which pages are requested during the flood.
    sockets: Sockets,
    /// Adds the content that the flood requests; its size is divided by the given number.
    prepare: fn(&Running, usize),
    client: fn(Client) -> Life,
    /// Returns whether this many clients have reached the limit in question. A flood that does not
    /// reach it proves nothing, so the test fails.
    is_on: fn(&Running, &Tally, usize) -> bool,
}

/// The size of a flood, and the limits of its site.
#[derive(Clone)]
struct Size {
    clients: usize,
    /// Commands that a shell runs before it executes the site.
    shell: &'static str,
    /// The flags of the site.
    flags: &'static [&'static str],
    /// The maximum growth of the resident memory at its peak, in MiB.
    growth: u64,
}

const FLOODS: [Flood; 8] = [
    searches::LEFT,
    searches::ENDLESS,
    sockets::BEYOND_THE_LIMIT,
    sockets::BEYOND_THE_SOFT_LIMIT,
    downloads::STALLED,
    forms::HTTP_1,
    forms::HTTP_2,
    bombs::DECODED,
];

/// The length of each flood, and its bars.
struct Plan {
    quiet: Duration,
    flood: Duration,
    size: fn(&Flood) -> &Size,
    /// The size of the prepared content is divided by this number.
    share: usize,
    bars: Bars,
}

/// Runs only those floods that have this word in their name, for example `EURYALE_FLOODS=forms`.
const ONLY: &str = "EURYALE_FLOODS";

/// The soft limit of descriptors for the clients and the tests beside them.
const DESCRIPTORS: u64 = 4_096;

/// Takes more than a minute: it starts eight sites, and probes each for a second without its flood
/// and for six seconds under it. In a shorter flood refused clients, which pause for a second,
/// would not return often enough to show that a limit holds for good.
///
/// The bars are five times those of the long test because other tests share the machine, and ten
/// times without optimisation.
#[test]
fn pages_operators_and_memory_hold_for_six_seconds_each() {
    run(&Plan {
        quiet: Duration::from_secs(1),
        flood: Duration::from_secs(6),
        size: |flood| &flood.small,
        share: 10,
        bars: Bars {
            times: if cfg!(debug_assertions) { 10 } else { 5 },
        },
    });
}

#[test]
#[ignore = "takes ten minutes, a release build and a quiet machine"]
fn pages_operators_and_memory_hold_for_a_minute_each() {
    run(&Plan {
        quiet: Duration::from_secs(10),
        flood: Duration::from_secs(60),
        size: |flood| &flood.full,
        share: 1,
        bars: Bars { times: 1 },
    });
}

/// Runs the floods one after the other. Fails only after all of them have been reported.
fn run(plan: &Plan) {
    if !raise_descriptors() {
        euryale_test::skip("fewer than 4,096 descriptors: raise `ulimit -Hn`");
        return;
    }
    let word = std::env::var(ONLY).unwrap_or_default();
    let mut floods = FLOODS.to_vec();
    floods.retain(|flood| flood.name.contains(&word));
    assert!(!floods.is_empty(), "no flood has {word:?} in its name");
    let mut report = Report::new(&plan.bars);
    for flood in &floods {
        match catch_unwind(AssertUnwindSafe(|| measure(flood, plan))) {
            Ok(row) => report.add(&row),
            Err(panic) => report.failed(flood.name, &*panic),
        }
    }
    report.end();
}

/// Raises the soft limit of this process. Returns whether that is enough.
fn raise_descriptors() -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= DESCRIPTORS);
    is_enough(current)
        || is_enough(maximum)
            && setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(DESCRIPTORS),
                    maximum,
                },
            )
            .is_ok()
}

fn measure(flood: &Flood, plan: &Plan) -> Row {
    let size = (plan.size)(flood);
    let clients = size.clients;
    let folder = tempfile::tempdir().unwrap();
    let site = start(size, folder.path());
    warm_up(&site);
    (flood.prepare)(&site, plan.share);
    let probe = Probe::new(&site, flood.sockets);
    let quiet = probe.run(plan.quiet);
    let before = site.count_peak();
    let crowd = Crowd::start(flood, site.public[0], clients);
    let mut was_on = false;
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| probe.run(plan.flood));
        while !heard.is_finished() {
            was_on = was_on || (flood.is_on)(&site, &crowd.tally, clients);
            thread::park_timeout(Duration::from_millis(50));
        }
        heard.join().unwrap()
    });
    let tally = crowd.tally.clone();
    drop(crowd);
    let ended = Instant::now();
    let peak = site.memory("VmHWM:");
    let bars = &plan.bars;
    while !bars.is_given_back(before, site.memory("VmRSS:")) && ended.elapsed() < bars.settles() {
        between_looks();
    }
    let row = Row {
        name: flood.name,
        clients,
        growth: size.growth,
        was_on,
        quiet,
        heard,
        before,
        peak,
        after: site.memory("VmRSS:"),
        settled: ended.elapsed(),
        tally,
    };
    drop(probe);
    site.end_well();
    row
}

fn start(size: &Size, data: &Path) -> Running {
    if size.shell.is_empty() {
        return Running::start(data, size.flags);
    }
    let shell = format!("{}; exec \"$0\" \"$@\"", size.shell);
    Running::start_in(&shell, data, size.flags)
}

/// Uses the site a little: pages, a scaled picture, an upload, a form, a search and HTTP/2. It then
/// has its connections and their caches, its theme, its threads and the allocator's arenas. Without
/// them, the starting value of the memory would be that of a site that has never worked.
fn warm_up(site: &Running) {
    for path in ["/", "/history", "/guides/cap", "/?q=connection"] {
        assert_eq!(site.ask("GET", path, "").status, 200, "{path}");
    }
    let picture = black(1_024, 1_024);
    assert_eq!(site.upload("warm.png", &picture).status, 201);
    let scale = site.ask("GET", "/warm.png/@@scale/64", "");
    assert_eq!(scale.status, 200);
    let form = format!("title=Warm&body={}", "word+".repeat(50_000));
    assert_eq!(site.ask("POST", "/warm", &form).status, 201);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = site.public[0];
    runtime.block_on(async {
        let mut client = H2Client::connect(address).await.unwrap();
        let (head, _) = client.open("/history").await.unwrap();
        assert_eq!(head.await.unwrap().status(), 200);
    });
}
