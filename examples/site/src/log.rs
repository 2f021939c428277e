//! Where log lines go, and what they look like.

use std::io::IsTerminal;

use clap::ValueEnum;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::error::StartError;

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: each line is one JSON object
    Json,
}

/// Sends the log to standard error. `EURYALE_LOG` stands over `RUST_LOG`; one that is empty is as if it were
/// not set.
pub(crate) fn start(format: Format) -> Result<(), StartError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let filter = match ["EURYALE_LOG", "RUST_LOG"].into_iter().find_map(set) {
        None => EnvFilter::new("info"),
        Some((name, value)) => EnvFilter::try_new(value.to_string_lossy()).map_err(|error| {
            let remedy = "write levels by part, for example \"info\" or \"warn,site::access_log=info\"";
            StartError::new(format!("cannot read the log filter: {error}"), name, remedy)
        })?,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).init(),
        Format::Json => {
            subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
    }
    Ok(())
}
