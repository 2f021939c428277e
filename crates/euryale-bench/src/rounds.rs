//! The runs: every case once, then every case again, so that a disturbance of the machine affects
//! all of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::Options;
use crate::limit::TimeLimit;
use crate::load::{Body, Figures, Load, check};
use crate::measure::{self, Usage};
use crate::netns::Network;
use crate::peers::Server;
use crate::scene::{Scene, Stage, View, blob_name};
use crate::workload::{Case, Column, Plan};

/// A run with more disturbance than this is repeated when the machine is quiet again.
const DISTURBED: f64 = 0.25;
const REPETITIONS: u32 = 4;

/// All runs of a plan.
#[derive(Serialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) cases: Vec<Runs>,
}

impl Section {
    pub(crate) fn has_failures(&self) -> bool {
        self.cases
            .iter()
            .any(|runs| runs.failures().next().is_some())
    }

    pub(crate) fn case(&self, name: &str) -> Option<&Runs> {
        self.cases.iter().find(|runs| runs.case == name)
    }
}

/// The runs of one case, one for each round.
#[derive(Serialize)]
pub(crate) struct Runs {
    pub(crate) case: String,
    pub(crate) ours: bool,
    /// Why the case could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
    pub(crate) rounds: Vec<Outcome>,
}

/// A run, or the reason why it does not count.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Measured(Figures),
    Failed(String),
}

impl Runs {
    /// Returns one value for each round, and `None` for a failed one.
    pub(crate) fn values(&self, key: &str) -> Vec<Option<f64>> {
        let value = |outcome: &Outcome| match outcome {
            Outcome::Measured(figures) => figures.get(key).copied(),
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

/// What all runs share.
pub(crate) struct Conditions<'a> {
    pub(crate) options: &'a Options,
    pub(crate) stage: &'a Stage,
    pub(crate) network: &'a Network,
    pub(crate) time: TimeLimit,
}

/// Runs the cases of `plan` in turn.
pub(crate) fn run(plan: &Plan, conditions: &Conditions<'_>) -> Section {
    let runs = |case: &Case| Runs {
        case: case.name.clone(),
        ours: case.peer.ours,
        missing: case.missing(),
        rounds: Vec::new(),
    };
    let mut section = Section {
        title: plan.title.clone(),
        cases: plan.cases.iter().map(runs).collect(),
    };
    for runs in &section.cases {
        if let Some(missing) = &runs.missing {
            eprintln!("{}: {} is left out: {missing}", plan.title, runs.case);
        }
    }
    let rounds = conditions.options.runs;
    for round in 1..=rounds {
        for (case, runs) in plan.cases.iter().zip(&mut section.cases) {
            if runs.missing.is_some() || conditions.time.is_over() {
                continue;
            }
            let is_first = round == 1;
            let outcome = match undisturbed(conditions, || one(case, is_first, conditions)) {
                Ok(figures) => Outcome::Measured(figures),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            };
            eprintln!(
                "{}, round {round}/{rounds}, {:18} {}",
                plan.title,
                case.name,
                line(&outcome, plan.columns)
            );
            runs.rounds.push(outcome);
        }
    }
    section
}

/// The first columns of a run, which are printed while the measurement goes on.
fn line(outcome: &Outcome, columns: &[Column]) -> String {
    match outcome {
        Outcome::Failed(reason) => format!("FAILED: {reason}"),
        Outcome::Measured(figures) => {
            let shown = columns.iter().filter_map(
                |Column {
                     key, title, digits, ..
                 }| { Some(format!("{:.digits$} {title}", figures.get(*key)?)) },
            );
            shown.take(3).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Repeats a run in which other processes used much of the machine. The last repetition is kept,
/// and the report mentions it.
fn undisturbed(
    conditions: &Conditions<'_>,
    mut run: impl FnMut() -> Result<Figures>,
) -> Result<Figures> {
    let patience = Duration::from_secs(conditions.options.patience.into());
    let mut last = run()?;
    for _ in 0..REPETITIONS {
        let disturbance = last["disturbance"];
        if disturbance <= DISTURBED || patience.is_zero() || conditions.time.is_over() {
            break;
        }
        eprintln!("others used {disturbance:.2} cores: waiting, then again");
        measure::wait_for_quiet(DISTURBED, patience)?;
        last = run()?;
    }
    Ok(last)
}

/// One run: starts a new server, checks its answers, runs the load, and reads the CPU time and
/// memory.
fn one(case: &Case, is_first: bool, conditions: &Conditions<'_>) -> Result<Figures> {
    let stage = conditions.stage;
    let scene = Scene {
        view: case.view,
        cap: case.cap,
        wire: case.wire,
        count: case.count,
        folder: stage.folder().to_owned(),
    };
    let blobs = case.load.blobs();
    for length in &blobs {
        stage.blob(*length)?;
    }
    let congestion = conditions.network.of_sockets();
    let server = Server::start(case.peer, &scene, congestion)?;
    let page = || check(&server, "/", &Body::Text(&scene.page()));
    page()?;
    // Checked outside the measurement, because the load's client discards bytes without looking at
    // them.
    if let Some(length) = blobs.first().filter(|_| is_first) {
        let name = blob_name(*length);
        let file = stage.folder().join(&name);
        check(&server, &format!("/{name}"), &Body::File(&file))?;
    }
    if let Load::Cold { .. } = case.load {
        blobs.iter().try_for_each(|length| stage.forget(*length))?;
    }
    let before = Usage::now(server.pid())?;
    let start = Instant::now();
    let mut figures = case.load.run(&server, congestion)?;
    let elapsed = start.elapsed().as_secs_f64();
    let used = Usage::now(server.pid())? - before;
    if case.view != View::Slow {
        page().context("after the load")?;
    }
    derive(&mut figures, used, elapsed, case.count);
    figures.insert(
        "peak_memory_mib".to_owned(),
        measure::peak_memory(server.pid())? as f64 / f64::from(1 << 20),
    );
    Ok(figures)
}

/// Calculates the figures from the data of the client and of the system.
fn derive(figures: &mut Figures, used: Usage, elapsed: f64, count: usize) {
    let mut add = |name: &str, value: f64| figures.insert(name.to_owned(), value);
    add("cpu_seconds", used.server);
    add("client_cpu_seconds", used.client);
    add(
        "disturbance",
        ((used.system - used.server - used.client) / elapsed).max(0.0),
    );
    if let Some(requests) = figures.get("requests").copied() {
        figures.insert("cpu_per_request".to_owned(), used.server * 1e6 / requests);
        figures.insert(
            "cpu_per_part".to_owned(),
            used.server * 1e9 / requests / count as f64,
        );
        figures.insert(
            "switches_per_request".to_owned(),
            used.switches as f64 / requests,
        );
    }
    if let Some(gigabytes) = figures.get("bytes").map(|bytes| bytes / 1e9) {
        figures.insert("cpu_per_gb".to_owned(), used.server / gigabytes);
        if let Some(seconds) = figures.get("seconds").copied() {
            figures.insert("gigabytes_per_second".to_owned(), gigabytes / seconds);
        }
    }
    let quiet = figures.get("server_p99_ms_quiet").copied();
    if let Some((busy, quiet)) = figures.get("server_p99_ms").copied().zip(quiet) {
        figures.insert("server_p99_growth".to_owned(), busy / quiet);
    }
}
