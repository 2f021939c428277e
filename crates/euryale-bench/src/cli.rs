//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::load::Target;
use crate::scene::View;

/// Measures Euryale against its peers, on this machine.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to measure, by name; `all` is everything that can run
    pub(crate) workloads: Vec<String>,
    #[command(flatten)]
    pub(crate) options: Options,
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
        view: View,
        #[arg(long)]
        cap: usize,
        #[arg(long)]
        folder: PathBuf,
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

/// How to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Runs of each case; the cases take turns
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Only these servers, separated by commas; also selects servers that are not run by default
    #[arg(long, value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// Also writes every run to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draws bars into this folder, an SVG file for each table
    #[arg(long, value_name = "DIR")]
    pub(crate) plot: Option<PathBuf>,
    /// Workers, and so database connections, of `page`; several separated by commas
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,16")]
    pub(crate) caps: Vec<usize>,
    /// Length of a run with wrk
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Client connections of wrk, all in one thread
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Length of each of the full-speed uploads, in 10⁶ bytes
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) megabytes: u64,
    /// Repeats a run that other processes disturbed, after waiting up to this many seconds for a
    /// quiet machine; 0: never
    #[arg(long, default_value_t = 60)]
    pub(crate) patience: u32,
    /// Where blobs and uploads are written, in a folder that is removed at the end; default: the
    /// system's folder for temporary files
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
