//! The parent of several processes: it binds the addresses, and answers operators and balancers for
//! all of them.

mod agent;

use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

use axum::Router;
use euryale::Ledger;
use euryale::forwarded::CheckHostLayer;
use euryale_admin::{Relay, RelayedProcess};
use euryale_server::supervise::{ChildStatus, Children, Supervisor};
use euryale_server::{Server, Shutdown};
use tower_layer::Layer;

use crate::cli::error::StartError;
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::serve::listeners::{Listeners, OPERATORS, processes};
use crate::serve::log::Log;
use crate::serve::permits::Rules;
use crate::serve::run::{CUT, LAST_GRACE};
use crate::serve::signals::UserSignals;
use crate::serve::{LOG, console, descriptors};

/// The time that a child may take to open its data, which the first one may have to convert.
const OPENING: Duration = Duration::from_secs(300);

/// The time for a child to end after its drain.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// Runs `number` processes of this program, to the exit code of all.
pub(super) fn run(
    settings: &Settings,
    number: usize,
    signals: UserSignals,
) -> Result<ExitCode, StartError> {
    // Children inherit the limit.
    descriptors::raise()?;
    let (log, logs, writing) = Log::start(settings)?;
    let runtime =
        euryale::runtime(&Ledger::new()).map_err(|error| cannot("start threads", &error))?;
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::signals().map_err(|error| cannot("handle signals", &error))?;
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
                .map_err(|error| cannot("pass on a socket", &error))?;
        }
        let children = supervisor.children();
        signals.pass_on(logs, children.clone())?;
        let _console = console::start_for_all(settings, &children, log, shutdown.clone())?;
        let rules = Rules::new(settings, is_loopback_only);
        let title = processes(number, settings.connections);
        let relay = relay(&children, &shutdown).title(title);
        let agent = agent.map(|listener| {
            tokio::spawn(agent::serve(
                listener,
                relay.clone(),
                number,
                shutdown.clone(),
            ))
        });
        let answers = match rules.hosts() {
            Some(hosts) => Router::new().fallback_service(CheckHostLayer::new(hosts).layer(relay)),
            None => Router::new().fallback_service(relay),
        };
        let end = Shutdown::new();
        let server = Server::new()
            .listen(admin)
            .lame_duck(Duration::ZERO)
            .drain_deadline(LAST_GRACE)
            .log_drain(false);
        let serving = tokio::spawn(server.serve(answers, end.clone()));
        let greet = async {
            let are_all_ready = |list: &[ChildStatus]| {
                list.len() == number && list.iter().all(|child| child.is_ready)
            };
            children.until(are_all_ready).await;
            print(&greeting);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = supervisor.run(shutdown) => ended,
            () = greet => Ok(false),
        };
        if let Some(agent) = agent {
            agent.abort();
        }
        end.drain();
        if let Err(error) = serving.await {
            tracing::error!(target: LOG, %error, "operators were no longer answered");
        }
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

/// This program again, with the same flags. Its path is the one of the start, so that a roll takes
/// the program that is there then.
fn supervisor(settings: &Settings, number: usize) -> Result<Supervisor, StartError> {
    let program = std::env::current_exe().map_err(|error| cannot("find the program", &error))?;
    let mut program = Command::new(program);
    program.args(std::env::args_os().skip(1));
    Ok(Supervisor::new(program)
        .processes(number)
        .private_socket(OPERATORS)
        .ready_within(OPENING)
        .drain_within(settings.drain.saturating_add(AFTER_DRAIN)))
}

fn relay(children: &Children, shutdown: &Shutdown) -> Relay {
    let children = children.clone();
    let processes = move || {
        let children = children.list().into_iter();
        let relayed = children.filter_map(|child| {
            Some(RelayedProcess {
                process: child.process,
                pid: child.pid,
                is_ready: child.is_ready,
                socket: child.socket?,
            })
        });
        relayed.collect()
    };
    Relay::new(processes, shutdown)
}

fn cannot(what: &str, error: &io::Error) -> StartError {
    let what = format!("cannot {what}: {error}");
    StartError::new(what, "this process", "see the system's limits")
}
