//! Commands for operators of the running site, at the Unix socket of `--console`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use euryale::body::Reserve;
use euryale_admin::{Admin, Commands, Console, Controls};
use euryale_server::supervise::Children;
use euryale_server::{Shutdown, supervise};
use tokio::sync::Notify;

use crate::cli::error::StartError;
use crate::cli::settings::Settings;
use crate::serve::log::{self, Log};

/// The parts of a process that commands change. `reload` is notified when a reload is asked for; in
/// a parent it concerns only the filter of the log.
pub(crate) fn controls(shutdown: &Shutdown, log: &Log, reload: &Arc<Notify>) -> Controls {
    let log = log.clone();
    let reload = Arc::clone(reload);
    Controls::new(shutdown)
        .log(move |filter| {
            log.change(log::parse(filter)?);
            Ok(())
        })
        .reload(move || reload.notify_one())
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
    controls: &Controls,
    reserve: &Reserve,
) -> Result<Option<Console>, StartError> {
    let Some(path) = &settings.console else {
        return Ok(None);
    };
    let commands = Commands::for_children(children, controls).pass_on(
        children,
        "trace TIME [ROUTE]",
        "log requests as they end, with their stages, for example for 30s",
    );
    let started = Console::start(path, commands, Some(reserve.clone()));
    started.map(Some).map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &io::Error) -> StartError {
    let what = format!("cannot accept commands: {error}");
    StartError::new(what, path.display(), "choose another path with --console")
}
