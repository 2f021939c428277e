//! The parent of several processes: it binds the addresses, and answers operators and balancers for
//! all of them.

use std::io;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use euryale::Ledger;
use euryale_admin::Relay;
use euryale_server::Shutdown;
use euryale_server::supervise::{ChildStatus, Supervisor};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::cli::error::StartError;
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::serve::listeners::{Listeners, OPERATORS, processes};
use crate::serve::log::{self, Log};
use crate::serve::operators::{self, OperatorsServer};
use crate::serve::permits::Rules;
use crate::serve::signals::UserSignals;
use crate::serve::{CUT, LAST_GRACE, LOG, console, descriptors, detached, reload};

/// The time that a child may take to open its data, which the first one may have to convert.
const OPENING: Duration = Duration::from_secs(300);

/// The time for a child to end after its drain.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// Runs `number` processes of this program, and returns their exit code.
pub(super) fn run(
    settings: &Settings,
    number: usize,
    signals: UserSignals,
) -> Result<ExitCode, StartError> {
    // Children inherit the limit.
    let reserve = descriptors::raise()?.reserve();
    let (log, logs, writing) = Log::start(settings)?;
    let runtime = euryale::runtime(&Ledger::new())
        .map_err(|error| StartError::of_system("start threads", &error))?;
    let ended = runtime.block_on(async {
        let signals_of =
            || -> io::Result<_> { Ok((Shutdown::signals()?, signal(SignalKind::hangup())?)) };
        let (shutdown, hangups) =
            signals_of().map_err(|error| StartError::of_system("handle signals", &error))?;
        let Listeners {
            public,
            names,
            admin,
            agent,
            is_loopback_only,
            greeting,
            ..
        } = Listeners::bind(settings)?;
        let mut supervisor = supervisor(settings, number)?;
        for (name, listener) in names.into_iter().zip(public) {
            supervisor = supervisor
                .pass_on(name, listener)
                .map_err(|error| StartError::of_system("pass on a socket", &error))?;
        }
        let children = supervisor.children();
        signals.pass_on(logs, children.clone())?;
        let asked = Arc::default();
        let controls = console::controls(&shutdown, &log, &asked);
        let filter = tokio::spawn(log_as_set(log, hangups, asked));
        let _console = console::start_for_all(settings, &children, &controls, &reserve)?;
        let rules = Rules::new(settings, is_loopback_only);
        let title = processes(number, settings.connections);
        let relay = Relay::for_children(&children, &shutdown).title(title);
        let agent = agent.map(|listener| {
            let (check, asking) = relay.agent(number);
            let checks = operators::check(check, listener, reserve.clone());
            tokio::spawn(async {
                tokio::join!(checks, asking);
            })
        });
        let answers = operators::answers(relay, rules);
        let server = OperatorsServer::start(admin, &reserve, answers, agent);
        let greeted = tokio::spawn(async move {
            let are_all_ready = |list: &[ChildStatus]| {
                list.len() == number && list.iter().all(|child| child.is_ready)
            };
            children.until(are_all_ready).await;
            print(&greeting);
        });
        let ended = supervisor.run(shutdown).await;
        greeted.abort();
        filter.abort();
        server.end().await;
        ended.map_err(|error| {
            let what = format!("the processes could not start: {error}");
            StartError::new(what, "this process", "see the line of that process")
        })
    });
    runtime.shutdown_timeout(LAST_GRACE);
    drop(writing);
    ended.map(|is_complete| {
        if is_complete {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(CUT)
        }
    })
}

/// Sets the filter of the parent's log as the settings say, each time that they are read again: by
/// SIGHUP, and by the commands `reload` and `roll`. Never ends.
async fn log_as_set(log: Log, mut hangups: Signal, asked: Arc<Notify>) {
    loop {
        tokio::select! {
            Some(()) = hangups.recv() => {}
            () = asked.notified() => {}
        }
        let read = || log::filter(&reload::settings()?);
        match detached::run("reloading", read).await {
            Ok(filter) => log.change(filter),
            Err(error) => {
                tracing::error!(target: LOG, "the filter of this log is not changed: {error}");
            }
        }
    }
}

/// This program again, with the same flags. Its path is resolved at the start, so a roll runs the
/// program that is at that path by then.
fn supervisor(settings: &Settings, number: usize) -> Result<Supervisor, StartError> {
    let program = std::env::current_exe()
        .map_err(|error| StartError::of_system("find the program", &error))?;
    let mut program = Command::new(program);
    program.args(std::env::args_os().skip(1));
    Ok(Supervisor::new(program)
        .processes(number)
        .private_socket(OPERATORS)
        .ready_within(OPENING)
        .drain_within(settings.drain.saturating_add(AFTER_DRAIN)))
}
