//! A parent process that replaces its children one by one, so that a restart loses no request.
//!
//! The parent binds the listeners and serves nothing itself. Each child inherits them as sockets
//! from systemd ([`systemd::listeners`](crate::systemd::listeners)) and reports that it is ready as
//! it would to systemd ([`systemd::notify`](crate::systemd::notify)). SIGHUP rolls: a new child is
//! ready before an old one ends, so a program that does not start ends nothing.
//!
//! A child's standard input is a pipe that nobody writes to. It ends with the parent, and then the
//! child should drain ([`drain_without_parent`]).

mod child;

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::child::{Child, Exit, Notices};
use crate::Shutdown;

/// Asks [`first_step`] to set `LISTEN_PID`, which only the new process knows.
const FIRST_STEP: &str = "EURYALE_FIRST_STEP";
/// Marks children of a [`Supervisor`].
const CHILD: &str = "EURYALE_CHILD";

/// Call it first in `main`. In a child of a [`Supervisor`] it sets `LISTEN_PID` and executes the
/// program again; anywhere else it does nothing.
///
/// # Errors
///
/// The program could not be executed again.
pub fn first_step() -> io::Result<()> {
    if std::env::var_os(FIRST_STEP).is_none() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let error = Command::new(std::env::current_exe()?)
        .arg0(name)
        .args(arguments)
        .env_remove(FIRST_STEP)
        .env("LISTEN_PID", std::process::id().to_string())
        .exec();
    Err(error)
}

/// Returns whether this process is a child of a [`Supervisor`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// In a child of a [`Supervisor`], drains once the parent is gone, even if it was killed. Anywhere
/// else it does nothing.
///
/// # Errors
///
/// The thread that watches the parent could not be started.
pub fn drain_without_parent(shutdown: &Shutdown) -> io::Result<()> {
    if !is_child() {
        return Ok(());
    }
    let shutdown = shutdown.clone();
    let watch = move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(read) if read > 0) {}
        shutdown.drain();
    };
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(watch)?;
    Ok(())
}

/// Starts, replaces and restarts child processes that share listeners.
#[derive(Debug)]
pub struct Supervisor {
    listeners: Vec<(String, OwnedFd)>,
    program: Command,
    processes: usize,
    ready_within: Duration,
    drain_within: Duration,
}

impl Supervisor {
    /// Deaths before a child is ready that end a roll, or the start.
    const MAX_DEATHS: u32 = 3;
    const FIRST_PAUSE: Duration = Duration::from_millis(100);

    /// One process of `program`, whose path should be absolute: a roll executes what is at this
    /// path then. It must call [`first_step`].
    pub fn new(program: Command) -> Self {
        Self {
            listeners: Vec::new(),
            program,
            processes: 1,
            ready_within: Duration::from_secs(30),
            drain_within: Duration::from_secs(40),
        }
    }

    /// Adds a listening socket that all children inherit. A name must not contain a colon
    /// (`sd_listen_fds_with_names(3)`).
    pub fn listen(mut self, name: impl Into<String>, listener: impl Into<OwnedFd>) -> Self {
        self.listeners.push((name.into(), listener.into()));
        self
    }

    /// The number of children. Default: 1. Zero counts as one.
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes.max(1);
        self
    }

    /// How long a child may take until it is ready; then it is killed. Default: 30 s.
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// How long a child may take to end after SIGTERM; then it is killed. Default: 40 s, which is
    /// more than the [`drain_deadline`](crate::Server::drain_deadline).
    pub fn drain_within(mut self, time: Duration) -> Self {
        self.drain_within = time;
        self
    }

    /// Keeps the children running until `shutdown` drains. SIGHUP rolls all of them. A child that
    /// dies is replaced. Returns whether all children ended with success after the drain began.
    ///
    /// # Errors
    ///
    /// The first children did not become ready, or a signal handler could not be installed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without its I/O or time driver.
    pub async fn run(self, shutdown: Shutdown) -> io::Result<bool> {
        let mut hangups = signal(SignalKind::hangup())?;
        let notices = Notices::new()?;
        let (exits, mut ended) = mpsc::unbounded_channel();
        let mut children = Vec::new();
        let mut number = 0;
        let mut pause = Self::FIRST_PAUSE;
        while children.len() < self.processes {
            match self.start(&notices, &exits, &mut number, &shutdown).await {
                Ok(child) => children.push(child),
                Err(_) if shutdown.is_draining() => break,
                Err(error) => {
                    drop(exits);
                    end_all(children, &mut ended).await;
                    return Err(error);
                }
            }
        }
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                Some(exit) = ended.recv() => {
                    let before = children.len();
                    children.retain(|child: &Child| child.number() != exit.number);
                    if children.len() == before {
                        continue; // it was replaced
                    }
                    tracing::error!(pid = exit.pid, status = %exit.status, "a child died");
                    while children.len() < self.processes && !shutdown.is_draining() {
                        match self.start(&notices, &exits, &mut number, &shutdown).await {
                            Ok(child) => {
                                children.push(child);
                                pause = Self::FIRST_PAUSE;
                            }
                            Err(error) => {
                                tracing::error!(%error, ?pause, "no new child; trying again later");
                                tokio::select! {
                                    () = shutdown.draining() => {}
                                    () = tokio::time::sleep(pause) => {}
                                }
                                pause = (pause * 2).min(self.ready_within);
                            }
                        }
                    }
                }
                _ = hangups.recv() => {
                    for place in &mut children {
                        match self.start(&notices, &exits, &mut number, &shutdown).await {
                            Ok(new) => {
                                let old = std::mem::replace(place, new);
                                old.end();
                            }
                            Err(error) => {
                                tracing::error!(%error, "the roll stops; old children serve on");
                                break;
                            }
                        }
                    }
                }
            }
        }
        drop(exits);
        Ok(end_all(children, &mut ended).await)
    }

    /// Starts a child and waits until it is ready.
    async fn start(
        &self,
        notices: &Notices,
        exits: &mpsc::UnboundedSender<Exit>,
        number: &mut u64,
        shutdown: &Shutdown,
    ) -> io::Result<Child> {
        let mut deaths = 0;
        let mut pause = Self::FIRST_PAUSE;
        loop {
            *number += 1;
            let started = async {
                let command = self.command(notices, *number)?;
                Child::start(command, notices, *number, self.drain_within, exits.clone())?
                    .ready(self.ready_within)
                    .await
            };
            let started = tokio::select! {
                biased;
                () = shutdown.draining() => Err(io::Error::other("draining")),
                started = started => started,
            };
            deaths += 1;
            match started {
                Ok(child) => return Ok(child),
                Err(error) if deaths == Self::MAX_DEATHS || shutdown.is_draining() => {
                    return Err(error);
                }
                Err(error) => tracing::warn!(%error, "a child did not start; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    fn command(&self, notices: &Notices, number: u64) -> io::Result<Command> {
        let mut command = Command::new(self.program.get_program());
        command.args(self.program.get_args());
        if let Some(directory) = self.program.get_current_dir() {
            command.current_dir(directory);
        }
        for (name, value) in self.program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let names: Vec<_> = self.listeners.iter().map(|(name, _)| &**name).collect();
        command
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env("LISTEN_FDS", self.listeners.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("NOTIFY_SOCKET", OsString::from(notices.path(number)))
            .env(FIRST_STEP, "1")
            .env(CHILD, "1");
        let sockets = self.listeners.iter().map(|(_, socket)| socket);
        child::give(&mut command, sockets)?;
        Ok(command)
    }
}

/// Ends `children`, and waits until all processes have ended, those that still drain after a roll
/// included. Returns whether each of `children` ended with success.
async fn end_all(children: Vec<Child>, ended: &mut mpsc::UnboundedReceiver<Exit>) -> bool {
    let last: Vec<_> = children.iter().map(Child::number).collect();
    for child in children {
        child.end();
    }
    let mut is_success = true;
    // Each running process has a sender.
    while let Some(exit) = ended.recv().await {
        is_success &= exit.status.success() || !last.contains(&exit.number);
    }
    is_success
}
