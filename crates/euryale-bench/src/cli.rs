//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::load::Target;
use crate::scene::Scene;

/// Measures Euryale against its peers, on this machine.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to measure, by name; `all` is everything that can run
    pub(crate) workloads: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// Set for the copy of this program that runs in its own network namespace.
    #[arg(long, hide = true)]
    pub(crate) isolated: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the workloads, and what is missing on this machine
    List,
    /// Installs the peers that are not built in: Debian packages as root, others into the user's
    /// cache folder
    Setup,
    /// A server that is built in
    #[command(hide = true)]
    Serve {
        peer: String,
        #[command(flatten)]
        scene: Scene,
        #[arg(long)]
        congestion: Option<String>,
    },
    /// A client: a load as JSON
    #[command(hide = true)]
    Client {
        load: String,
        #[command(flatten)]
        target: Target,
    },
    /// Executes another program, which ends together with its parent
    #[command(hide = true)]
    Exec {
        #[arg(last = true)]
        program: Vec<String>,
    },
}

/// How to measure, as given on the command line.
#[derive(Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Runs of each case; the cases take turns. Default: 7; with `all`, 3
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// With `all`: as many runs, caps and bytes as when a workload is named, without a time limit
    #[arg(long)]
    full: bool,
    /// Starts no run after this many minutes. Default: none; with `all`, 44
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Only these servers, separated by commas; also selects servers that are not run by default
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Also writes every run to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws bars into this folder, an SVG file for each table; curves for `scale`
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Workers, and so database connections, of `page`; several separated by commas. Default:
    /// 1,2,4,16; with `all`, 2,16
    #[arg(long, value_delimiter = ',')]
    caps: Option<Vec<usize>>,
    /// Length of a run with wrk or h2load. Default: 3; with `all`, 2
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Client connections of wrk and h2load, all in one thread
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Length of each of the full-speed uploads, in 10⁶ bytes. Default: 1000; with `all`, 250
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    megabytes: Option<u64>,
    /// Repeats a run that other processes disturbed, after waiting up to this many seconds for a
    /// quiet machine; 0: never
    #[arg(long, default_value_t = 60)]
    patience: u32,
    /// Where blobs and uploads are written, in a folder that is removed at the end; default: the
    /// system's folder for temporary files
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// How to measure. The fields are the flags, with their defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) runs: u32,
    pub(crate) minutes: Option<u64>,
    pub(crate) peers: Vec<String>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) caps: Vec<usize>,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
    pub(crate) megabytes: u64,
    pub(crate) patience: u32,
    pub(crate) folder: Option<PathBuf>,
}

/// The name that stands for all workloads.
pub(crate) const ALL: &str = "all";

/// The minutes after which `all` starts no run. The longest run takes less than a minute more.
const MINUTES: u64 = 44;

impl Cli {
    /// The options for the named workloads: shorter ones for all of them.
    pub(crate) fn options(&self) -> Options {
        let flags = self.flags.clone();
        let is_short = !flags.full && self.workloads.iter().any(|name| name == ALL);
        let caps = if is_short {
            vec![2, 16]
        } else {
            vec![1, 2, 4, 16]
        };
        Options {
            runs: flags.runs.unwrap_or(if is_short { 3 } else { 7 }),
            minutes: flags.minutes.or(is_short.then_some(MINUTES)),
            peers: flags.peers,
            json: flags.json,
            plot: flags.plot,
            caps: flags.caps.unwrap_or(caps),
            seconds: flags.seconds.unwrap_or(if is_short { 2 } else { 3 }),
            connections: flags.connections,
            megabytes: flags.megabytes.unwrap_or(if is_short { 250 } else { 1000 }),
            patience: flags.patience,
            folder: flags.folder,
        }
    }
}
