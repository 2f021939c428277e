//! The workloads, their cases, and the bars that they have to meet.

mod blob;
mod broken;
mod page;
mod plone;
mod scale;
mod slow;
mod sockets;
mod wsgi;

use anyhow::{Result, bail};

use crate::cli::Options;
use crate::load::Load;
use crate::peers::{self, Peer};
use crate::scene::View;

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The purpose of the workload.
    pub(crate) goal: &'static str,
    pub(crate) state: State,
}

/// How a workload is run, if it can be.
pub(crate) enum State {
    /// Servers and loads, in rounds.
    Rounds(fn(&Options) -> Vec<Plan>),
    /// In this process, without sockets.
    Waiting,
    /// In this process, compared with a peer in its own process.
    Theming,
}

/// Cases that are compared with each other and take turns.
pub(crate) struct Plan {
    pub(crate) title: String,
    pub(crate) columns: &'static [Column],
    pub(crate) cases: Vec<Case>,
    pub(crate) bars: Vec<Bar>,
}

/// One server under one load.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) peer: &'static Peer,
    pub(crate) view: View,
    pub(crate) cap: usize,
    pub(crate) load: Load,
    /// Whether it is measured when no servers are named.
    pub(crate) by_default: bool,
}

/// A figure in the table. The first one of a plan decides which peer is best.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) digits: usize,
    pub(crate) more_is_better: bool,
}

/// A required value: `key` of `case`, as a multiple of that of `base` if there is one, must stay
/// within `limit`.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) key: &'static str,
    pub(crate) case: &'static str,
    pub(crate) base: Option<&'static str>,
    pub(crate) limit: Limit,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    pub(crate) fn show(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
        }
    }
}

/// The workloads that `list` shows.
pub(crate) const ALL: &[Workload] = &[
    page::PAGE,
    slow::SLOW,
    blob::SMALL,
    blob::LARGE,
    blob::COLD,
    sockets::STALL,
    sockets::UPLOAD,
    sockets::IDLE,
    sockets::SIEGE,
    scale::SCALE,
    Workload {
        name: "waiting",
        about: "What a waiting request costs, without sockets: 1 to 10,000 of them behind workers \
            that are stuck.",
        goal: "the same for each, however many wait",
        state: State::Waiting,
    },
    slow::PROMISE,
    plone::PLONE,
    wsgi::WSGI,
    Workload {
        name: "theme",
        about: "A page of 60 KB through nine rules, and through a theme with instructions, beside \
            diazo with lxml, in one thread each.",
        goal: "≥ 10 × diazo's pages per second; with instructions ≥ 20 ×",
        state: State::Theming,
    },
];

/// Servers that must be reported as failed: for the harness's own tests.
const HIDDEN: &[Workload] = &[broken::PAGE, broken::BLOB, broken::BURST];

/// The workload of this name.
pub(crate) fn find(name: &str) -> Result<&'static Workload> {
    match ALL
        .iter()
        .chain(HIDDEN)
        .find(|workload| workload.name == name)
    {
        Some(workload) => Ok(workload),
        None => bail!("no workload {name}; `euryale-bench list` says which there are"),
    }
}

/// The cases that are run: of these peers, or the default ones.
pub(crate) fn select(plan: &mut Plan, peers: &[String]) {
    plan.cases.retain(|case| match peers {
        [] => case.by_default,
        peers => peers.iter().any(|peer| peer == case.peer.name),
    });
}

/// A case that is named after its peer.
fn case(peer: &'static str, view: View, cap: usize, load: &Load) -> Case {
    Case {
        name: peer.to_owned(),
        peer: known(peer),
        view,
        cap,
        load: load.clone(),
        by_default: true,
    }
}

/// A peer that must be in the table. A test checks all workloads.
fn known(name: &'static str) -> &'static Peer {
    peers::find(name).unwrap_or(&peers::ALL[0])
}

const fn column(key: &'static str, title: &'static str, digits: usize) -> Column {
    Column {
        key,
        title,
        digits,
        more_is_better: false,
    }
}

const REQUESTS_PER_SECOND: Column = Column {
    key: "requests_per_second",
    title: "requests/s",
    digits: 0,
    more_is_better: true,
};
const CPU_PER_REQUEST: Column = column("cpu_per_request", "CPU µs/request", 2);
const SECONDS: Column = column("seconds", "wall s", 3);
const CPU_PER_GB: Column = column("cpu_per_gb", "CPU s/GB", 3);
/// The number of requests for a page during a load.
const PROBES: usize = 50;
const ANSWERED: Column = Column {
    key: "answered",
    title: "probes answered",
    digits: 0,
    more_is_better: true,
};
const P50: Column = column("p50_ms", "p50 ms", 2);
const P99: Column = column("p99_ms", "p99 ms", 2);
const SWITCHES: Column = column("switches_per_request", "switches/request", 2);

fn bar(key: &'static str, case: &'static str, base: &'static str, limit: Limit) -> Bar {
    Bar {
        key,
        case,
        base: Some(base),
        limit,
    }
}

fn absolute(key: &'static str, case: &'static str, limit: Limit) -> Bar {
    Bar {
        key,
        case,
        base: None,
        limit,
    }
}
