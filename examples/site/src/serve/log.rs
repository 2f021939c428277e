//! The destination, the format and the filter of log lines.

mod lines;
mod output;

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

pub(crate) use self::lines::{Lines, Writing};
use self::output::Output;
use crate::cli::error::StartError;
use crate::cli::settings::Settings;

/// The format of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: each line is one JSON object
    Json,
}

/// The handle that changes the filter of the log.
#[derive(Clone)]
pub(crate) struct Log(Arc<dyn Fn(EnvFilter) + Send + Sync>);

impl Log {
    /// Sends the log to its file or to standard error. No request waits until it is written.
    pub(crate) fn start(settings: &Settings) -> Result<(Self, Logs, Writing), StartError> {
        let filter = filter(settings)?;
        let output = match &settings.log_file {
            None => Output::stderr(),
            Some(path) => file(path, "--log-file")?,
        };
        let has_file = settings.log_file.is_some();
        let is_for_terminal = !has_file && io::stderr().is_terminal();
        let (lines, writing) = lines("log", output)?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(lines.clone());
        // It fails when there is no subscriber any more, and this one stays.
        let log: Arc<dyn Fn(EnvFilter) + Send + Sync> = match settings.log_format {
            Format::Text => {
                let subscriber = subscriber
                    .with_ansi(is_for_terminal)
                    .with_filter_reloading();
                let handle = subscriber.reload_handle();
                subscriber.init();
                Arc::new(move |filter| drop(handle.reload(filter)))
            }
            Format::Json => {
                let subscriber = subscriber.json().flatten_event(true);
                let subscriber = subscriber
                    // That of a request, if it has an id.
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_filter_reloading();
                let handle = subscriber.reload_handle();
                subscriber.init();
                Arc::new(move |filter| drop(handle.reload(filter)))
            }
        };
        let logs = Logs {
            log: lines,
            access: None,
            has_file,
        };
        Ok((Self(log), logs, writing))
    }

    /// Applies from now on.
    pub(crate) fn change(&self, filter: EnvFilter) {
        (self.0)(filter);
    }
}

/// The lines of a process: those of its log, and those of its access log if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    log: Lines,
    pub(crate) access: Option<Lines>,
    /// One of them goes to a file.
    has_file: bool,
}

impl Logs {
    /// Opens the file of `--access-log`.
    pub(crate) fn open_access(
        &mut self,
        settings: &Settings,
    ) -> Result<Option<Writing>, StartError> {
        let Some(path) = &settings.access_log else {
            return Ok(None);
        };
        let (access, writing) = lines("access-log", file(path, "--access-log")?)?;
        self.access = Some(access);
        self.has_file = true;
        Ok(Some(writing))
    }

    /// Opens the files again.
    pub(crate) fn reopen(&self) {
        if !self.has_file {
            tracing::info!(target: "site::signals", "there is no log file to reopen");
        }
        self.log.reopen();
        self.access.iter().for_each(Lines::reopen);
    }

    /// The number of lines that could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.log.lost() + self.access.as_ref().map_or(0, Lines::lost)
    }
}

fn file(path: &Path, flag: &str) -> Result<Output, StartError> {
    Output::file(path).map_err(|error| {
        let what = format!("cannot open the log file: {error}");
        let remedy = format!("create its folder, or choose another one with {flag}");
        StartError::new(what, path.display(), remedy)
    })
}

fn lines(name: &str, output: Output) -> Result<(Lines, Writing), StartError> {
    Lines::start(name, output).map_err(|error| StartError::of_system("start threads", &error))
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// Targets whose lines are written regardless of the filter, because an operator requests them by a
/// signal or a command.
const ASKED_FOR: [&str; 3] = [
    "euryale_admin::console=info",
    "euryale_connection::report=info",
    "site::signals=info",
];

/// The filter that the settings ask for.
pub(crate) fn filter(settings: &Settings) -> Result<EnvFilter, StartError> {
    chosen(settings).map(with_asked_for)
}

/// The filter that a command asks for.
pub(crate) fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(filter).map(with_asked_for)
}

fn with_asked_for(filter: EnvFilter) -> EnvFilter {
    // They are valid directives, so none of them is dropped.
    let asked_for = ASKED_FOR.into_iter().filter_map(|part| part.parse().ok());
    asked_for.fold(filter, EnvFilter::add_directive)
}

/// The setting overrides `RUST_LOG`; an empty one counts as unset.
fn chosen(settings: &Settings) -> Result<EnvFilter, StartError> {
    let own = settings
        .log_filter
        .clone()
        .map(|filter| ("EURYALE_LOG, --log-filter", filter));
    let general = std::env::var_os("RUST_LOG")
        .map(|value| ("RUST_LOG", value.to_string_lossy().into_owned()));
    match own
        .into_iter()
        .chain(general)
        .find(|(_, filter)| !filter.is_empty())
    {
        None => Ok(EnvFilter::new("info")),
        // As a filter, it would be the name of an unknown target, and nothing else would be logged.
        Some((name, filter)) if Format::from_str(filter.trim(), true).is_ok() => {
            let format = filter.trim();
            Err(StartError::new(
                format!("{format} is a format of the log, and not a filter"),
                name,
                format!("write EURYALE_LOG_FORMAT={format} or --log-format {format}"),
            ))
        }
        Some((name, filter)) => EnvFilter::try_new(filter).map_err(|error| {
            let remedy =
                "write levels by part, for example \"info\" or \"warn,site::access_log=info\"";
            StartError::new(format!("cannot read the log filter: {error}"), name, remedy)
        }),
    }
}
