//! The measurements, against peers, as one command.
//!
//! `cargo run --release -p euryale-bench -- page` starts one server after the other as a child process, loads
//! each with `wrk`, and prints tables in Markdown: CPU time per request, requests per second, and the ratios
//! that have a bar to meet. `-- list` says what there is to measure.
//!
//! Three rules keep the figures honest. Cases take turns, round after round, and only ratios within a round
//! are compared. An answer that is wrong, missing or not 2xx makes a run failed, however fast it was. And
//! server and load share a network namespace of their own with TCP reno, where the system allows it: a host's
//! bbr paces the loopback device and hides what the server costs.

#![forbid(unsafe_code)]

mod measure;
mod netns;
mod null;
mod report;
mod rounds;
mod server;
mod statistics;
#[cfg(test)]
mod tests;
mod waiting;
mod workload;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::measure::Machine;
use crate::workload::Workload;

/// Measures Euryale against its peers, on this machine.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Set for the copy of this program that runs in its own network namespace.
    #[arg(long, global = true, hide = true)]
    isolated: bool,
}

#[derive(Subcommand)]
enum Command {
    /// The price of a page: trivial work in a worker, and nothing else
    Page(Options),
    /// What a waiting request costs: 1 to 10,000 of them behind workers that are stuck
    Waiting,
    /// Says what there is to measure
    List,
    /// Servers that must be reported as failed
    #[command(hide = true)]
    Broken(Options),
    /// The server child
    #[command(hide = true)]
    Serve {
        /// `workload/case`
        case: String,
        #[arg(long)]
        cap: usize,
    },
}

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Runs of each case; they take turns
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Length of a run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Client connections, all in one thread
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Workers, and so database connections; several separated by commas
    #[arg(long, value_delimiter = ',', default_value = "2")]
    pub(crate) caps: Vec<usize>,
    /// Only these cases, separated by commas; the way to name cases that are not run by default
    #[arg(long, value_delimiter = ',')]
    pub(crate) cases: Vec<String>,
    /// A run that others disturbed is repeated after waiting this long, in seconds, for quiet; 0: never
    #[arg(long, default_value_t = 60)]
    pub(crate) patience: u32,
    /// Writes every run to this file, too
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let (workload, options) = match cli.command {
        Command::Serve { case, cap } => return server::serve(&case, cap).map(|()| ExitCode::SUCCESS),
        Command::List => {
            print!("{}", report::list(workload::ALL));
            return Ok(ExitCode::SUCCESS);
        }
        Command::Waiting => {
            waiting::run(&Machine::look()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Page(options) => (&workload::PAGE, options),
        Command::Broken(options) => (&workload::BROKEN, options),
    };
    run(workload, &options, cli.isolated)
}

/// Measures, prints, and fails if a run did.
fn run(workload: &Workload, options: &Options, isolated: bool) -> Result<ExitCode> {
    let cases = workload.select(&options.cases)?;
    let network = netns::enter(isolated);
    let machine = Machine::look()?;
    let mut sections = Vec::new();
    for &cap in &options.caps {
        sections.push(rounds::run(workload, &cases, cap, options));
    }
    let report =
        report::Report { workload, options, network: &network, machine: &machine, sections: &sections };
    print!("{}", report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()?).with_context(|| format!("writing {}", file.display()))?;
    }
    let failed = sections.iter().any(rounds::Section::has_failures);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
