//! One command that measures Euryale against its peers.
//!
//! `cargo run --release -p euryale-bench -- page` starts one server after the other as a child
//! process, loads each, and prints tables in Markdown. `-- list` says what there is to measure,
//! `-- all` measures it. The README of this crate says what the tables mean.
//!
//! Rules keep the figures honest. Cases take turns, round after round, and only ratios within a
//! round are compared. An answer that is wrong, missing, short or not 200 makes a run failed,
//! however fast it was. Clients are lighter than servers. And servers and clients share a network
//! namespace of their own with TCP reno, where the system allows it: a host's bbr paces the
//! loopback device and hides what the server costs.

#![deny(unsafe_code)]

mod children;
mod cli;
mod limit;
mod load;
mod machine;
mod measure;
mod netns;
mod peers;
mod postgres;
mod report;
mod rounds;
mod scene;
mod serve;
mod setup;
mod statistics;
#[cfg(test)]
mod tests;
mod theming;
mod waiting;
mod workload;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::cli::{Cli, Command, Options};
use crate::limit::TimeLimit;
use crate::machine::Machine;
use crate::report::Report;
use crate::rounds::Conditions;
use crate::scene::Stage;
use crate::workload::{State, Workload};

fn main() -> ExitCode {
    let outcome = run(Cli::parse());
    children::give_way_to_signals();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("euryale-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let options = cli.options();
    match cli.command {
        None => measure(&cli.workloads, &options, cli.isolated),
        Some(Command::List) => {
            print!("{}", report::list(workload::ALL, &options));
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Setup) => setup::run(),
        Some(Command::Serve {
            peer,
            scene,
            congestion,
        }) => serve::run(&peer, &scene, congestion.as_deref()).map(|()| ExitCode::SUCCESS),
        Some(Command::Client { load, target }) => {
            let load: load::Load = serde_json::from_str(&load).context("the load")?;
            machine::raise_descriptors();
            println!("{}", serde_json::to_string(&load.client(&target)?)?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Exec { program }) => children::exec(&program).map(|()| ExitCode::SUCCESS),
    }
}

/// Measures, prints, and fails if a run did.
fn measure(names: &[String], options: &Options, isolated: bool) -> Result<ExitCode> {
    let workloads = choose(names)?;
    if let Some(unknown) = options
        .peers
        .iter()
        .find(|peer| peers::find(peer).is_none())
    {
        bail!("no server {unknown}; `euryale-bench list` says which there are");
    }
    let network = netns::enter(isolated);
    children::end_on_signals()?;
    machine::raise_descriptors();
    let machine = Machine::look()?;
    let stage = Stage::new(options.folder.as_deref())?;
    let conditions = Conditions {
        options,
        stage: &stage,
        network: &network,
        time: TimeLimit::start(options.minutes),
    };
    print!("{}", report::preamble(&machine, &network, options));
    let mut reports = Vec::new();
    let mut goals = Vec::new();
    for workload in workloads {
        match workload.state {
            State::Waiting => goals.extend(waiting::run(&conditions.time)?),
            State::Theming => goals.extend(theming::run(options, &conditions.time)?),
            State::Postgres => goals.extend(postgres::run(options, &conditions.time)?),
            State::Rounds(plans) | State::Sizes(plans) => {
                let report = rounds(workload, plans(options), &conditions);
                children::give_way_to_signals();
                println!("{}", report.markdown());
                goals.extend(report.goals());
                draw(&report, options)?;
                reports.push(report);
            }
        }
        // The results so far are saved, in case a later workload is interrupted.
        if let Some(file) = &options.json {
            let json = report::json(&reports, &machine, &network, options)?;
            std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
    }
    if names.len() > 1 || names.iter().any(|name| name == cli::ALL) {
        println!("{}", report::goals::page(goals, conditions.time.minutes()));
    }
    let failed = reports.iter().any(Report::has_failures);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn choose(names: &[String]) -> Result<Vec<&'static Workload>> {
    if names.iter().any(|name| name == cli::ALL) {
        return Ok(workload::ALL.iter().collect());
    }
    names.iter().map(|name| workload::find(name)).collect()
}

/// Runs the plans that have cases left.
fn rounds<'a>(
    workload: &'a Workload,
    mut plans: Vec<workload::Plan>,
    conditions: &Conditions<'_>,
) -> Report<'a> {
    for plan in &mut plans {
        workload::select(plan, &conditions.options.peers);
    }
    plans.retain(|plan| !plan.cases.is_empty());
    let sections = plans
        .iter()
        .map(|plan| rounds::run(plan, conditions))
        .collect();
    Report {
        workload,
        plans,
        sections,
    }
}

fn draw(report: &Report<'_>, options: &Options) -> Result<()> {
    let Some(folder) = &options.plot else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (plan, section) in report.plans.iter().zip(&report.sections) {
        let Some(column) = plan.columns.first() else {
            continue;
        };
        let file = folder.join(report::file_name(report.workload.name, &section.title));
        let drawn = match report.workload.state {
            State::Sizes(_) => report::curve(section, column),
            _ => report::svg(section, column),
        };
        std::fs::write(&file, drawn).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
