//! The parts of a workload: plans, their cases, the columns of the tables, and the bars.

use crate::cli::Options;
use crate::load::{Asks, Load, Program};
use crate::peers::{self, Peer, which};
use crate::scene::{View, Wire};

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
    /// The same, with cases that are sizes and make a curve.
    Sizes(fn(&Options) -> Vec<Plan>),
    /// In this process, without sockets.
    Waiting,
    /// In this process, compared with a peer in its own process.
    Theming,
    /// The same, beside other pools and in front of a server of PostgreSQL.
    Postgres,
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
    pub(crate) wire: Wire,
    /// How many bytes, lanes or transforms the view has.
    pub(crate) count: usize,
    pub(crate) load: Load,
    /// Whether it is measured when no servers are named.
    pub(crate) by_default: bool,
}

impl Case {
    /// Returns why it cannot be run on this machine.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self
            .load
            .programs(self.wire)
            .find(|name| which(name).is_none());
        let missing = missing.map(|name| format!("{name} is not installed; see `-- setup`"));
        self.peer.missing().or(missing)
    }
}

/// A figure in the table. The first one of a plan decides which peer is best.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) digits: usize,
    pub(crate) more_is_better: bool,
}

/// A required value: `key` of `case`, compared with that of `base`, must stay within `limit`.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) key: &'static str,
    pub(crate) case: &'static str,
    pub(crate) base: Base,
    pub(crate) limit: Limit,
}

/// What a bar compares its case with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// Nothing: the limit is for the figure itself.
    None,
    /// Another case, of which the figure is a multiple.
    Times(&'static str),
    /// Another case, whose figure is subtracted.
    Above(&'static str),
}

impl Base {
    /// The other case.
    #[cfg(test)]
    pub(crate) fn case(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Times(case) | Self::Above(case) => Some(case),
        }
    }
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

/// A case that is named after its peer.
pub(super) fn case(peer: &'static str, view: View, cap: usize, load: &Load) -> Case {
    Case {
        name: peer.to_owned(),
        peer: known(peer),
        view,
        cap,
        wire: Wire::Http1,
        count: 1,
        load: load.clone(),
        by_default: true,
    }
}

/// wrk, for the page.
pub(super) fn wrk(connections: u32, seconds: u32) -> Load {
    Load::By(Program::Wrk {
        connections,
        seconds,
        asks: Asks::Page,
    })
}

/// A peer that must be in the table. A test checks all workloads.
pub(super) fn known(name: &'static str) -> &'static Peer {
    peers::find(name).unwrap_or(&peers::ALL[0])
}

pub(super) const fn column(key: &'static str, title: &'static str, digits: usize) -> Column {
    Column {
        key,
        title,
        digits,
        more_is_better: false,
    }
}

pub(super) const REQUESTS_PER_SECOND: Column = Column {
    key: "requests_per_second",
    title: "requests/s",
    digits: 0,
    more_is_better: true,
};
pub(super) const CPU_PER_REQUEST: Column = column("cpu_per_request", "CPU µs/request", 2);
pub(super) const SECONDS: Column = column("seconds", "wall s", 3);
pub(super) const CPU_PER_GB: Column = column("cpu_per_gb", "CPU s/GB", 3);
/// The number of requests for a page during a load.
pub(super) const PROBES: usize = 50;
pub(super) const ANSWERED: Column = Column {
    key: "answered",
    title: "probes answered",
    digits: 0,
    more_is_better: true,
};
pub(super) const P50: Column = column("p50_ms", "p50 ms", 2);
pub(super) const P99: Column = column("p99_ms", "p99 ms", 2);
pub(super) const SWITCHES: Column = column("switches_per_request", "switches/request", 2);

pub(super) fn bar(key: &'static str, case: &'static str, base: &'static str, limit: Limit) -> Bar {
    Bar {
        key,
        case,
        base: Base::Times(base),
        limit,
    }
}

pub(super) fn absolute(key: &'static str, case: &'static str, limit: Limit) -> Bar {
    Bar {
        key,
        case,
        base: Base::None,
        limit,
    }
}
