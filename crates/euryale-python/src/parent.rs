//! The parent of several processes: it binds the addresses, and answers operators and balancers for
//! all of them. It never imports the application.
//!
//! The main thread waits without the GIL, and takes it only to read the settings again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use euryale::Ledger;
use euryale::body::Reserve;
use euryale_admin::{Commands, Console, Controls, Relay};
use euryale_server::supervise::{ChildStatus, Children, Supervisor};
use euryale_server::{DescriptorLimit, Shutdown};
use euryale_wsgi::Settings;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::front::CUT;
use crate::listeners::{Listeners, OPERATORS};
use crate::server::{LAST_GRACE, read, take};
use crate::{debugging, log, operators};

/// The threads of the runtime, which only watches children and relays pages.
const THREADS: usize = 2;

/// The time that a child may take to import the application.
const IMPORT: Duration = Duration::from_secs(300);

/// The time for a child to end after its drain.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// A parent whose sockets are bound. Its children are started by `run`.
#[pyclass(frozen, module = "euryale._euryale")]
pub(crate) struct Parent {
    settings: Settings,
    shutdown: Shutdown,
    children: Children,
    /// Asks the main thread to read the settings again.
    ask: Sender<()>,
    unstarted: Mutex<Option<Unstarted>>,
    asked: Receiver<()>,
    stop_log: Mutex<Option<Sender<()>>>,
    log_stopped: Receiver<()>,
}

/// The parts that the start takes.
struct Unstarted {
    runtime: Runtime,
    supervisor: Supervisor,
    addresses: Vec<String>,
    /// The totals of all processes, in one line.
    totals: String,
    console: Option<Console>,
}

#[pymethods]
impl Parent {
    /// Reads the settings, binds the sockets, and answers operators. Children execute `program` in
    /// `folder`.
    #[new]
    #[pyo3(signature = (settings, program, folder, *, log_level = 20))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes them")]
    fn new(
        py: Python<'_>,
        settings: HashMap<String, String>,
        program: Vec<OsString>,
        folder: PathBuf,
        log_level: u8,
    ) -> PyResult<Self> {
        py.detach(|| {
            log::start(log_level);
            Self::bind(read(&settings)?, &program, &folder)
        })
    }

    /// Runs the processes until the end, and returns the exit status: 0, or 3 if one of them did
    /// not end well. Takes over SIGTERM, SIGINT and SIGHUP, and passes SIGUSR1 and SIGUSR2 on.
    /// `reload` is called when the settings are to be read again, and calls `reread`.
    ///
    /// # Errors
    /// `OSError` if the first process could not start.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it")]
    fn run(&self, py: Python<'_>, reload: Py<PyAny>) -> PyResult<i32> {
        let again = || PyRuntimeError::new_err("the parent was started before");
        let Unstarted {
            runtime,
            supervisor,
            addresses,
            totals,
            console,
        } = take(&self.unstarted).ok_or_else(again)?;
        let children = self.children.clone();
        let number = self.number();
        let ended = {
            let _entered = runtime.enter();
            self.shutdown.obey_signals()?;
            take_signals(&children, self.ask.clone())?;
            runtime.spawn(greet(children, number, totals, addresses));
            let (end, ended) = crossbeam_channel::bounded(1);
            let running = supervisor.run(self.shutdown.clone());
            runtime.spawn(async move { end.send(running.await) });
            ended
        };
        let ended = loop {
            let ended = py.detach(|| {
                crossbeam_channel::select! {
                    recv(ended) -> ended => Some(ended),
                    recv(self.asked) -> _ => None,
                }
            });
            match ended {
                Some(ended) => break ended,
                None => drop(reload.call0(py)?),
            }
        };
        py.detach(|| {
            drop(console);
            runtime.shutdown_timeout(LAST_GRACE);
        });
        let ended = ended.map_err(|_| PyRuntimeError::new_err("the supervisor panicked"))?;
        let is_complete = ended.map_err(|error| {
            PyOSError::new_err(format!("the processes could not start: {error}"))
        })?;
        Ok(if is_complete { 0 } else { CUT })
    }

    /// Compares settings that were read again with those of the start, and warns of changes that
    /// the children cannot apply.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
    fn reread(&self, settings: HashMap<String, String>) -> PyResult<()> {
        let new = read(&settings)?;
        log::restore_filter();
        let old = &self.settings;
        let parents = [
            ("listen", new.listen == old.listen),
            (
                "unix_socket_perms",
                new.unix_socket_perms == old.unix_socket_perms,
            ),
            ("admin", new.admin == old.admin),
            ("agent", new.agent == old.agent),
            ("console", new.console == old.console),
            ("processes", new.processes == old.processes),
            ("reload", new.reload == old.reload),
            // Children that drain for longer are killed.
            ("drain", new.drain == old.drain),
        ];
        let changed = parents.iter().filter(|(_, is_same)| !is_same);
        let changed: Vec<&str> = changed.map(|(name, _)| *name).collect();
        if !changed.is_empty() {
            let changed = changed.join(", ");
            tracing::warn!("these settings need a restart: {changed}");
        }
        Ok(())
    }

    /// Replaces the processes one by one, and reads the settings again, as SIGHUP does.
    fn roll(&self) {
        // If the channel is full, the settings are going to be read anyway.
        let _ = self.ask.try_send(());
        self.children.roll();
    }

    /// Like the method of `Server`.
    fn next_line(&self, py: Python<'_>) -> Option<log::Line> {
        py.detach(|| log::next(&self.log_stopped))
    }

    /// Like the method of `Server`.
    fn stop_log(&self) {
        drop(take(&self.stop_log));
    }
}

impl Parent {
    fn bind(settings: Settings, program: &[OsString], folder: &Path) -> PyResult<Self> {
        let number = settings.processes_behind_a_parent().unwrap_or(1);
        if settings.profile.is_some() {
            let both = "profile runs one call at a time, and does not work with processes";
            return Err(PyValueError::new_err(both));
        }
        // Children inherit the limit.
        let reserve = DescriptorLimit::raise()?.reserve();
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().worker_threads(THREADS);
        let runtime = euryale::runtime_from(&mut builder, &Ledger::new())?;
        let entered = runtime.enter();
        let Listeners {
            public,
            names,
            admin,
            agent,
            tls: _,
            addresses,
            named: _,
        } = Listeners::bind(&settings, true)?;
        debugging::check(&settings, &public).map_err(PyValueError::new_err)?;
        let mut supervisor = Supervisor::new(command(program, folder)?)
            .processes(number)
            .private_socket(OPERATORS)
            .ready_within(IMPORT)
            .drain_within(settings.drain.saturating_add(AFTER_DRAIN));
        for (name, listener) in names.into_iter().zip(public) {
            supervisor = supervisor.pass_on(name, listener)?;
        }
        if settings.reload {
            // Code that does not start is not tried again before it changes.
            supervisor = supervisor.attempts(1);
        }
        let children = supervisor.children();
        let shutdown = Shutdown::new();
        let (ask, asked) = crossbeam_channel::bounded(1);
        let console = console(&settings, &children, &shutdown, &ask, &reserve)?;
        let threads = settings.threads;
        let all = number * threads;
        let totals = format!("processes: {number}, threads: {threads} each, {all} in all");
        let relay = Relay::for_children(&children, &shutdown).title(totals.clone());
        if let Some(agent) = agent {
            let (check, asking) = relay.agent(number);
            runtime.spawn(operators::check(check, agent, reserve.clone()));
            runtime.spawn(asking);
        }
        if let Some(admin) = admin {
            operators::serve(admin, &reserve, relay);
        }
        drop(entered);
        let (stop_log, log_stopped) = crossbeam_channel::bounded(0);
        Ok(Self {
            settings,
            shutdown,
            children,
            ask,
            unstarted: Mutex::new(Some(Unstarted {
                runtime,
                supervisor,
                addresses,
                totals,
                console,
            })),
            asked,
            stop_log: Mutex::new(Some(stop_log)),
            log_stopped,
        })
    }

    fn number(&self) -> usize {
        self.settings.processes_behind_a_parent().unwrap_or(1)
    }
}

fn command(program: &[OsString], folder: &Path) -> PyResult<Command> {
    let none = || PyValueError::new_err("the program of the processes is unknown");
    let (interpreter, arguments) = program.split_first().ok_or_else(none)?;
    let mut command = Command::new(interpreter);
    command.args(arguments).current_dir(folder);
    Ok(command)
}

/// Accepts commands for all children, if there is a path for that.
fn console(
    settings: &Settings,
    children: &Children,
    shutdown: &Shutdown,
    ask: &Sender<()>,
    reserve: &Reserve,
) -> io::Result<Option<Console>> {
    let Some(path) = &settings.console else {
        return Ok(None);
    };
    let ask = ask.clone();
    let controls = Controls::new(shutdown)
        .log(|filter| Ok(log::filter(filter)?))
        .reload(move || {
            // If the channel is full, the settings are going to be read anyway.
            let _ = ask.try_send(());
        });
    let commands = Commands::for_children(children, &controls);
    let started = Console::start(path, commands, Some(reserve.clone()));
    started
        .map(Some)
        .map_err(|error| operators::no_console(path, &error))
}

/// Takes over the signals that do not end the parent, on the current runtime. SIGHUP also makes the
/// supervisor replace the children.
fn take_signals(children: &Children, ask: Sender<()>) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            // If the channel is full, the settings are going to be read anyway.
            let _ = ask.try_send(());
        }
    });
    // They are the application's.
    let users = [
        (SignalKind::user_defined1(), Signal::USR1),
        (SignalKind::user_defined2(), Signal::USR2),
    ];
    for (kind, passed_on) in users {
        let mut signals = signal(kind)?;
        let children = children.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                pass_on(&children, passed_on);
            }
        });
    }
    Ok(())
}

/// Sends `signal` to all children that serve. A child that is starting may have no handler yet.
fn pass_on(children: &Children, signal: Signal) {
    for child in children.list().into_iter().filter(|child| child.is_ready) {
        if let Some(pid) = Pid::from_raw(child.pid.cast_signed()) {
            // It fails if the child has just ended.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Logs the addresses once all children are ready.
async fn greet(children: Children, number: usize, totals: String, addresses: Vec<String>) {
    let are_all_ready =
        |list: &[ChildStatus]| list.len() == number && list.iter().all(|child| child.is_ready);
    children.until(are_all_ready).await;
    tracing::info!("{totals}");
    for address in addresses {
        tracing::info!("serving on {address}");
    }
}
