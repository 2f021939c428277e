//! The runs: every case once, then every case again, so that what disturbs the machine disturbs them all.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::measure::{self, Usage};
use crate::server::{self, Server};
use crate::workload::{Case, Workload};
use crate::{Options, wrk};

/// A run with a greater disturbance is repeated, when the machine is quiet again.
const DISTURBED: f64 = 0.25;
const REPETITIONS: u32 = 4;

/// All runs with one number of workers.
#[derive(Serialize)]
pub(crate) struct Section {
    pub(crate) cap: usize,
    pub(crate) cases: Vec<Runs>,
}

impl Section {
    pub(crate) fn has_failures(&self) -> bool {
        self.cases.iter().any(|runs| runs.failures().next().is_some())
    }

    pub(crate) fn case(&self, name: &str) -> Option<&Runs> {
        self.cases.iter().find(|runs| runs.case == name)
    }
}

/// The runs of one case, a round each.
#[derive(Serialize)]
pub(crate) struct Runs {
    pub(crate) case: &'static str,
    pub(crate) rounds: Vec<Outcome>,
}

/// A run, or why it does not count.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Measured(Run),
    Failed(String),
}

/// One run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    /// Of the server, microseconds.
    pub(crate) cpu_per_request: f64,
    /// Of the server, voluntary.
    pub(crate) switches_per_request: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Bytes.
    pub(crate) peak_memory: u64,
    /// CPU time of everything but server and load, as a share of the run's length: 1 is one core.
    pub(crate) disturbance: f64,
}

impl Runs {
    /// One value of each round, none for a failed one.
    pub(crate) fn values(&self, value: impl Fn(&Run) -> f64) -> Vec<Option<f64>> {
        let value = |outcome: &Outcome| match outcome {
            Outcome::Measured(run) => Some(value(run)),
            Outcome::Failed(_) => None,
        };
        self.rounds.iter().map(value).collect()
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = &str> {
        self.rounds.iter().filter_map(|outcome| match outcome {
            Outcome::Measured(_) => None,
            Outcome::Failed(reason) => Some(reason.as_str()),
        })
    }
}

/// Runs `cases` in turn.
pub(crate) fn run(workload: &Workload, cases: &[&'static Case], cap: usize, options: &Options) -> Section {
    let start = |case: &&'static Case| Runs { case: case.name, rounds: Vec::new() };
    let mut section = Section { cap, cases: cases.iter().map(start).collect() };
    for round in 1..=options.runs {
        for (case, runs) in cases.iter().zip(&mut section.cases) {
            let outcome = match undisturbed(options, || one(workload, case, cap, options)) {
                Ok(run) => Outcome::Measured(run),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            };
            let line = match &outcome {
                Outcome::Measured(run) => format!(
                    "{:6.2} us/request {:9.0} requests/s",
                    run.cpu_per_request, run.requests_per_second
                ),
                Outcome::Failed(reason) => format!("FAILED: {reason}"),
            };
            eprintln!("cap {cap} round {round}/{} {:18} {line}", options.runs, case.name);
            runs.rounds.push(outcome);
        }
    }
    section
}

/// Repeats a run in which others used much of the machine. The last one stands as it is: the report tells of
/// it.
fn undisturbed(options: &Options, mut run: impl FnMut() -> Result<Run>) -> Result<Run> {
    let patience = Duration::from_secs(options.patience.into());
    let mut last = run()?;
    for _ in 0..REPETITIONS {
        if last.disturbance <= DISTURBED || patience.is_zero() {
            break;
        }
        eprintln!("others used {:.2} cores: waiting, then again", last.disturbance);
        measure::wait_for_quiet(DISTURBED, patience)?;
        last = run()?;
    }
    Ok(last)
}

/// One run: a new server, one answer to check, the load, the accounts.
fn one(workload: &Workload, case: &Case, cap: usize, options: &Options) -> Result<Run> {
    let server = Server::start(&format!("{}/{}", workload.name, case.name), cap)?;
    server::check(server.address(), workload.answer)?;
    let before = Usage::now(server.pid())?;
    let start = Instant::now();
    let load = wrk::run(server.address(), options.connections, options.seconds)?;
    let elapsed = start.elapsed().as_secs_f64();
    let used = Usage::now(server.pid()).context("the server has ended")? - before;
    server::check(server.address(), workload.answer).context("after the load")?;

    let per_request = |amount: f64| amount / load.requests as f64;
    Ok(Run {
        requests: load.requests,
        requests_per_second: load.requests_per_second,
        cpu_per_request: per_request(used.server * 1e6),
        switches_per_request: per_request(used.switches as f64),
        p50: load.p50.as_secs_f64() * 1e3,
        p99: load.p99.as_secs_f64() * 1e3,
        peak_memory: measure::peak_memory(server.pid())?,
        disturbance: ((used.system - used.server - used.client) / elapsed).max(0.0),
    })
}
