//! Commands for operators of the running site, at the Unix socket of `--console`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use euryale::BoxError;
use euryale::body::Reserve;
use euryale_admin::{Admin, Commands, Console, command};
use euryale_server::supervise::Children;
use euryale_server::{Shutdown, supervise};
use tokio::sync::Notify;

use crate::cli::error::StartError;
use crate::cli::settings::Settings;
use crate::serve::log::{self, Log};

/// The time for a child to answer its parent. It needs microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

const LOG_USAGE: &str = "log FILTER...";
const LOG_ABOUT: &str = "set the filter of the log, until settings are read again";
const DRAIN_ABOUT: &str = "finish requests and end, like SIGTERM";

/// The parts of a process that commands change.
#[derive(Clone)]
pub(crate) struct Controls {
    pub(crate) shutdown: Shutdown,
    pub(crate) log: Log,
    /// Asks for a reload. In a parent it concerns only the filter of the log.
    pub(crate) reload: Arc<Notify>,
}

impl Controls {
    /// Adds the commands of a process that serves the site.
    pub(crate) fn commands(self, admin: Admin) -> Admin {
        let Self {
            shutdown,
            log,
            reload,
        } = self;
        admin
            .verb("drain", DRAIN_ABOUT, move |_| Ok(drain(&shutdown)))
            .verb(LOG_USAGE, LOG_ABOUT, move |filter| change(&log, filter))
            .verb(
                "reload",
                "read settings and certificates again",
                move |_| {
                    reload.notify_one();
                    Ok("reloading: the log has the result".to_owned())
                },
            )
            .verb("roll", "replace all processes one by one", |_| {
                Err("this is the only process: start the site with --processes".into())
            })
    }
}

/// Returns the path of the socket: in a child, the one that its parent knows.
pub(crate) fn path(settings: &Settings) -> Option<PathBuf> {
    if supervise::is_child() {
        supervise::console_path()
    } else {
        settings.console.clone()
    }
}

/// Accepts commands, if there is a path for that.
pub(crate) fn start(
    settings: &Settings,
    admin: &Admin,
    reserve: &Reserve,
) -> Result<Option<Console>, StartError> {
    let start = |path: PathBuf| {
        let started = admin.console(&path, Some(reserve.clone()));
        started.map_err(|error| cannot(&path, &error))
    };
    path(settings).map(start).transpose()
}

/// Accepts commands for all `children`.
pub(crate) fn start_for_all(
    settings: &Settings,
    children: &Children,
    controls: Controls,
    reserve: &Reserve,
) -> Result<Option<Console>, StartError> {
    let Some(path) = &settings.console else {
        return Ok(None);
    };
    let all = |name: &'static str| {
        let children = children.clone();
        move |words: &[&str]| tell_all(&children, name, words)
    };
    let log_all = all("log");
    let reload_all = all("reload");
    let rolled = children.clone();
    let Controls {
        shutdown,
        log,
        reload,
    } = controls;
    let reload_for_roll = Arc::clone(&reload);
    let commands = Commands::new()
        .verb("status", "show readiness, workers and queue", all("status"))
        .verb(
            "dump",
            "show jobs, the runtime and busy threads",
            all("dump"),
        )
        .verb(
            "resize N",
            "set the maximum number of connections of each process",
            all("resize"),
        )
        .verb(
            "restrict LANE N",
            "set how many workers of each process a lane may have",
            all("restrict"),
        )
        .verb(
            "reload",
            "read settings and certificates again, in the same processes",
            move |words| {
                reload.notify_one();
                reload_all(words)
            },
        )
        .verb("drain", DRAIN_ABOUT, move |_| Ok(drain(&shutdown)))
        .verb(
            "roll",
            "replace all processes one by one, like SIGHUP",
            move |_| {
                reload_for_roll.notify_one();
                rolled.roll();
                Ok("replacing all processes: the log has the result".to_owned())
            },
        )
        .verb(LOG_USAGE, LOG_ABOUT, move |filter| {
            change(&log, filter)?;
            log_all(filter)
        });
    let started = Console::start(path, commands, Some(reserve.clone()));
    started.map(Some).map_err(|error| cannot(path, &error))
}

fn drain(shutdown: &Shutdown) -> String {
    shutdown.drain();
    "draining: requests are finished".to_owned()
}

fn change(log: &Log, filter: &[&str]) -> Result<String, BoxError> {
    let filter = filter.join(" ");
    let parsed = log::parse(&filter).map_err(|error| {
        format!(
            "cannot read the filter {filter}: {error}: write levels by part, for example info or \
             warn,site::access_log=info"
        )
    })?;
    log.change(parsed);
    Ok(format!("the filter of the log is {filter}"))
}

/// Sends the command to all children that serve, and joins their answers.
fn tell_all(children: &Children, name: &str, words: &[&str]) -> Result<String, BoxError> {
    let line = format!("{name} {}", words.join(" "));
    let mut answers = String::new();
    let mut has_failed = false;
    for child in children.list().into_iter().filter(|child| child.is_ready) {
        let answer = match command(&child.console, &line, PATIENCE) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                has_failed = true;
                error
            }
            Err(error) => {
                has_failed = true;
                format!("cannot be reached: {error}")
            }
        };
        let head = format!("process {}, pid {}", child.process, child.pid);
        if answer.trim_end().contains('\n') {
            answers.push_str(&format!("{head}:\n{}\n", answer.trim_end()));
        } else {
            answers.push_str(&format!("{head}: {}\n", answer.trim_end()));
        }
    }
    if has_failed {
        return Err(answers.into());
    }
    if answers.is_empty() {
        return Err("no process serves".into());
    }
    Ok(answers)
}

fn cannot(path: &std::path::Path, error: &std::io::Error) -> StartError {
    let what = format!("cannot accept commands: {error}");
    StartError::new(what, path.display(), "choose another path with --console")
}
