//! A parent process that replaces its children one by one, so that a restart loses no request.
//!
//! The parent binds the listeners but accepts no peers. Each child inherits them as sockets from
//! systemd ([`systemd::listeners`](crate::systemd::listeners)) and reports that it is ready as it
//! would to systemd ([`systemd::notify`](crate::systemd::notify)). If systemd has started the
//! parent (`Type=notify` or `notify-reload`), the parent reports to it as well: it is ready when
//! all children are, and reloads during a roll.
//!
//! On SIGHUP the parent replaces its children one by one (a *roll*). A new child is ready before an
//! old one ends, so if the new program does not start, the old children continue. If three children
//! in a row die before they are ready, the roll is stopped. A child that dies at any other time is
//! replaced, after a pause of 100 ms; the pause doubles, up to 30 s, until a child has served for
//! 10 s.
//!
//! A child's standard input is a pipe to which nothing is written. It ends with the parent, and the
//! child should then drain ([`drain_without_parent`]). Children are in separate process groups, so
//! that Ctrl-C in a terminal reaches only the parent, which passes it on.

mod child;
mod children;
mod places;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::child::{Child, Event, Leaving, Notices, Patience};
pub use self::children::{ChildStatus, Children};
use self::places::{News, Places};
use crate::listener::SocketFile;
use crate::{Listener, Shutdown, systemd};

/// Asks [`first_step`] to set `LISTEN_PID`, because only the new process knows its own id.
const FIRST_STEP: &str = "EURYALE_FIRST_STEP";
/// Marks children of a [`Supervisor`].
const CHILD: &str = "EURYALE_CHILD";

/// Completes the start of a child of a [`Supervisor`]: sets `LISTEN_PID` and executes the program
/// again. In other processes it does nothing. Call it first in `main`.
///
/// # Errors
///
/// The program could not be executed again.
pub fn first_step() -> io::Result<()> {
    if std::env::var_os(FIRST_STEP).is_none() {
        return Ok(());
    }
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.drain(..arguments.len().min(1)).next();
    let name = name.unwrap_or_default();
    let again = |program: &Path| {
        Command::new(program)
            .arg0(name.clone())
            .args(arguments.clone())
            .env_remove(FIRST_STEP)
            .env("LISTEN_PID", std::process::id().to_string())
            .exec()
    };
    match again(&std::env::current_exe()?) {
        // The file has just been replaced.
        error if error.kind() == ErrorKind::NotFound => Err(again(Path::new("/proc/self/exe"))),
        error => Err(error),
    }
}

/// Returns whether this process is a child of a [`Supervisor`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// In a child of a [`Supervisor`], drains when the parent has ended, even if it was killed. In
/// other processes it does nothing.
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
        // A killed parent leaves its files behind.
        if let Some(notice) = std::env::var_os("NOTIFY_SOCKET") {
            child::remove_files(Path::new(&notice));
        }
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
    /// Files of Unix sockets, which end with the parent.
    files: Vec<SocketFile>,
    private_socket: Option<String>,
    program: Command,
    processes: usize,
    patience: Patience,
    children: Children,
}

impl Supervisor {
    /// Creates a supervisor with one process of `program`. Its path should be absolute, because a
    /// roll executes the file that is then at this path. The program must call [`first_step`].
    pub fn new(program: Command) -> Self {
        Self {
            listeners: Vec::new(),
            files: Vec::new(),
            private_socket: None,
            program,
            processes: 1,
            patience: Patience {
                ready: Duration::from_secs(30),
                drain: Duration::from_secs(40),
            },
            children: Children::new(),
        }
    }

    /// Adds a listening socket that all children inherit. A name must not contain a colon
    /// (`sd_listen_fds_with_names(3)`).
    pub fn listen(mut self, name: impl Into<String>, listener: impl Into<OwnedFd>) -> Self {
        self.listeners.push((name.into(), listener.into()));
        self
    }

    /// Adds a listener as [`listen`](Self::listen) does. The file of a [`UnixSocket`] is removed
    /// when the parent ends. TLS and the PROXY protocol are the children's.
    ///
    /// [`UnixSocket`]: crate::UnixSocket
    ///
    /// # Errors
    ///
    /// The listener could not be taken out of the runtime.
    pub fn pass_on(mut self, name: impl Into<String>, listener: Listener) -> io::Result<Self> {
        let (socket, file) = listener.into_fd()?;
        self.files.extend(file);
        Ok(self.listen(name, socket))
    }

    /// Adds a separate listening Unix socket with this name for each child, after all others, for
    /// its metrics and its status. Only the user of the parent can connect to it, at the
    /// [path](ChildStatus::socket) that [`Children::list`] returns. Default: none.
    pub fn private_socket(mut self, name: impl Into<String>) -> Self {
        self.private_socket = Some(name.into());
        self
    }

    /// The number of children. Default: 1. Zero counts as one.
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes.max(1);
        self
    }

    /// The maximum time until a child is ready; after that it is killed. Default: 30 s.
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.patience.ready = time;
        self
    }

    /// The maximum time for a child to end after SIGTERM; after that it is killed. Default: 40 s,
    /// which is more than the [`drain_deadline`](crate::Server::drain_deadline).
    pub fn drain_within(mut self, time: Duration) -> Self {
        self.patience.drain = time;
        self
    }

    /// Returns the handle that lists the children and rolls them.
    pub fn children(&self) -> Children {
        self.children.clone()
    }

    /// Keeps the children running until `shutdown` drains. SIGHUP replaces all of them. A child
    /// that dies is replaced. Returns whether all children ended with success after the drain
    /// began.
    ///
    /// The children end in the same way as `shutdown`: they get SIGTERM, or SIGINT if it skips the
    /// lame duck, and a second signal if it cuts.
    ///
    /// # Errors
    ///
    /// The first children did not become ready, or a signal handler could not be installed.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime, or in one without an I/O or time driver.
    pub async fn run(self, shutdown: Shutdown) -> io::Result<bool> {
        let mut hangups = signal(SignalKind::hangup())?;
        let notices = Notices::new()?;
        let (sender, mut events) = mpsc::unbounded_channel();
        let mut places = Places::new(self.processes);
        let mut number = 0;
        let mut start = || {
            number += 1;
            self.start(&notices, number, &sender)
        };
        let mut watchdog = pin!(systemd::feed_watchdog(|| true));
        places.begin(&mut start);
        let failed = loop {
            self.publish(&places, &notices);
            if let Some(error) = places.news().into_iter().find_map(report) {
                break Some(error);
            }
            let due = places.due();
            tokio::select! {
                biased;
                () = shutdown.draining() => break None,
                Some((number, event)) = events.recv() => places.take(number, event, &mut start),
                _ = hangups.recv() => places.roll(&mut start),
                () = self.children.roll_asked() => places.roll(&mut start),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    places.start_due(&mut start);
                }
                () = &mut watchdog => {}
            }
        };
        drop(sender);
        let last = if shutdown.is_hurrying() {
            Signal::INT
        } else {
            Signal::TERM
        };
        systemd::stopping(self.patience.drain);
        self.children.are(Vec::new());
        let ended = end_all(places.end(last), &mut events, &shutdown).await;
        match failed {
            Some(error) => Err(error),
            None => Ok(ended),
        }
    }

    /// Publishes the list of children to the program.
    fn publish(&self, places: &Places, notices: &Notices) {
        let with_socket = |(number, status)| ChildStatus {
            socket: self
                .private_socket
                .as_ref()
                .map(|_| child::private_path(&notices.path(number))),
            ..status
        };
        self.children.are(places.list().map(with_socket).collect());
    }

    fn start(
        &self,
        notices: &Notices,
        number: u64,
        events: &mpsc::UnboundedSender<(u64, Event)>,
    ) -> io::Result<Child> {
        let notice = notices.path(number);
        let command = self.command(&notice)?;
        let events = events.clone();
        Child::start(command, notice, number, self.patience, events)
    }

    fn command(&self, notice: &Path) -> io::Result<Command> {
        let mut command = Command::new(self.program.get_program());
        command.args(self.program.get_args()).process_group(0);
        if let Some(directory) = self.program.get_current_dir() {
            command.current_dir(directory);
        }
        for (name, value) in self.program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let private = match &self.private_socket {
            Some(name) => Some((
                name,
                UnixListener::bind(child::private_path(notice))?.into(),
            )),
            None => None,
        };
        let shared = self.listeners.iter().map(|(name, socket)| (name, socket));
        let sockets = shared.chain(private.as_ref().map(|(name, socket)| (*name, socket)));
        let (names, sockets): (Vec<&str>, Vec<&OwnedFd>) =
            sockets.map(|(name, socket)| (&**name, socket)).unzip();
        command
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("NOTIFY_SOCKET", notice)
            .env(FIRST_STEP, "1")
            .env(CHILD, "1");
        child::give(&mut command, sockets.into_iter())?;
        Ok(command)
    }
}

/// Logs `news` and reports it to systemd. Returns the error that ends the parent, if it is one.
fn report(news: News) -> Option<io::Error> {
    match news {
        News::Up => systemd::ready("all processes serve"),
        News::RollBegan => {
            tracing::info!("replacing all children, one by one");
            systemd::reloading();
        }
        News::Rolled => {
            tracing::info!("all children have been replaced");
            systemd::ready("all processes have been replaced");
        }
        News::RollStopped(error) => {
            tracing::error!(%error, "the roll stops; old children serve on");
            systemd::ready(&format!(
                "a roll was stopped, and old processes serve on: {error}"
            ));
        }
        News::Failed(error) => return Some(error),
    }
    None
}

/// Waits until all processes have ended, including those that are still draining after a roll.
/// Returns whether each child that has served ended with success. A child that has not begun to
/// serve may be ended by the signal itself.
async fn end_all(
    (serving, starting): (Vec<Leaving>, Vec<Leaving>),
    events: &mut mpsc::UnboundedReceiver<(u64, Event)>,
    shutdown: &Shutdown,
) -> bool {
    let mut is_success = true;
    let mut is_cut = false;
    loop {
        // Each running process has a sender.
        let event = tokio::select! {
            event = events.recv() => event,
            () = shutdown.cutting(), if !is_cut => {
                is_cut = true;
                for child in serving.iter().chain(&starting) {
                    child.signal(Signal::TERM);
                }
                continue;
            }
        };
        match event {
            None => return is_success,
            Some((number, Event::Ended(ended))) => {
                let has_served = serving.iter().any(|child| child.number == number);
                let succeeded = ended.status.is_ok_and(|status| status.success());
                is_success &= succeeded || !has_served;
            }
            Some((_, Event::Ready)) => {}
        }
    }
}
