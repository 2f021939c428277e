//! The workloads, their cases, and the bars that they have to meet.

mod blob;
mod broken;
mod outside;
mod page;
mod plan;
mod plone;
mod scale;
mod slow;
mod sockets;
mod wire;
mod wsgi;

use anyhow::{Result, bail};

pub(crate) use self::plan::{Bar, Base, Case, Column, Limit, Plan, State, Workload};

/// The workloads that `list` shows.
pub(crate) const ALL: &[Workload] = &[
    page::PAGE,
    slow::SLOW,
    blob::SMALL,
    blob::LARGE,
    wire::BLOB_TLS,
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
        goal: "≤ 2.5 kB each, and ≤ 1.2 × as much, however many wait",
        state: State::Waiting,
    },
    slow::PROMISE,
    plone::PLONE,
    wsgi::WSGI,
    outside::OUTSIDE,
    Workload {
        name: "theme",
        about: "A page of 60 KB through nine rules, and through a theme with instructions, beside \
            diazo with lxml, in one thread each.",
        goal: "≥ 10 × diazo's pages per second; with instructions ≥ 20 ×",
        state: State::Theming,
    },
    Workload {
        name: "postgres",
        about: "Transactions of 64 callers on PostgreSQL, with 2 and 16 connections, beside \
            deadpool-postgres, r2d2_postgres in spawn_blocking, and sqlx. Without HTTP.",
        goal: "readers ≥ 1.15 × the best, writers ≥ 0.97 ×, p99 ≤ 1.2 × its",
        state: State::Postgres,
    },
];

/// Servers that must be reported as failed: for the harness's own tests.
const HIDDEN: &[Workload] = &[broken::PAGE, broken::BLOB, broken::BURST, broken::WIRE];

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
