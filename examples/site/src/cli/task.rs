//! What the program does instead of serving.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::{help, listen};
use crate::pages::theme::author::ThemeTask;

/// Tasks other than serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Task {
    /// Ask a running site whether it is ready, at its --admin address: exit code 0 or 1. For
    /// containers
    Healthcheck {
        /// The address; default: that of EURYALE_ADMIN or of the file of settings
        #[arg(long = "admin", id = "asked", value_name = "ADDRESS", value_parser = listen::address)]
        admin: Option<SocketAddr>,
    },
    /// Give a command to a running site at its --console socket: status, dump, resize, restrict,
    /// drain, reload, roll, log or help
    Ctl {
        /// The socket; default: that of EURYALE_CONSOLE or of the file of settings
        #[arg(long = "console", id = "asked_console", value_name = "PATH")]
        console: Option<PathBuf>,
        /// The command and its arguments
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// Import a folder: Markdown and HTML become documents, everything else files, at the same
    /// paths
    #[command(after_help = help::IMPORT)]
    Import {
        /// Folder to import, with everything below it
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Bring the database to the newest schema, and exit. A starting site does this, too
    Migrate,
    /// Check a theme, or apply it to a page
    Theme {
        #[command(subcommand)]
        task: ThemeTask,
    },
}
