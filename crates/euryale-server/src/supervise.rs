//! A parent process that replaces its children one by one, so that a restart loses no request.
//!
//! The parent binds the listeners but accepts no peers. Each child inherits them as sockets from
//! systemd ([`systemd::listeners`]) and reports that it is ready as it would to systemd
//! ([`systemd::notify`]). If systemd has started the parent (`Type=notify` or `notify-reload`), the
//! parent reports to it as well: it is ready when all children are, and reloads during a roll.
//!
//! On SIGHUP the parent replaces its children one by one (a *roll*). A new child is ready before an
//! old one ends, so if the new program does not start, the old children continue. If three children
//! in a row die before they are ready, the roll is stopped ([`attempts`](Supervisor::attempts)). If
//! the very first child dies before it is ready, the parent ends with an error. A child that dies
//! at any other time is replaced, after a pause of 100 ms; the pause doubles, up to 30 s, until a
//! child has served for 10 s.
//!
//! On Linux, each child has a socket of its own for each TCP address, because the kernel spreads
//! peers evenly over sockets, but not over processes that wait at one socket. The parent keeps
//! these sockets open, so a roll loses none of the peers in their queues. The peers of a child that
//! has died or is stuck are accepted by the others after 200 ms. Unix sockets and those from
//! systemd are shared by all children, and one child may get most of their peers.
//!
//! If systemd watches the parent (`WatchdogSec=`), the parent watches its children in the same way:
//! a child that reports nothing for this time is ended and replaced.
//!
//! A child's standard input is a pipe to which nothing is written. It ends with the parent, and the
//! child should then drain ([`drain_without_parent`]). Children are in separate process groups, so
//! that Ctrl-C in a terminal reaches only the parent, which passes it on.

mod child;
mod children;
mod places;
mod sockets;
#[cfg(target_os = "linux")]
mod spread;
mod start;
#[cfg(test)]
mod tests;

use std::io;
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
use self::sockets::Sockets;
pub(crate) use self::start::as_child;
pub use self::start::{
    CHILD_VARIABLE, FIRST_STEP_VARIABLE, console_path, drain_without_parent, first_step, is_child,
};
use crate::listener::SocketFile;
use crate::{Listener, Shutdown, systemd};

/// Starts, replaces and restarts child processes that share listeners.
#[derive(Debug)]
pub struct Supervisor {
    sockets: Sockets,
    /// Files of Unix sockets, which end with the parent.
    files: Vec<SocketFile>,
    private_socket: Option<String>,
    program: Command,
    processes: usize,
    attempts: u32,
    patience: Patience,
    children: Children,
}

impl Supervisor {
    /// Creates a supervisor with one process of `program`. Its path should be absolute, because a
    /// roll executes the file that is then at this path. The program must call [`first_step`], or
    /// do what [`FIRST_STEP_VARIABLE`] says.
    pub fn new(program: Command) -> Self {
        Self {
            sockets: Sockets::default(),
            files: Vec::new(),
            private_socket: None,
            program,
            processes: 1,
            attempts: 3,
            patience: Patience {
                ready: Duration::from_secs(30),
                drain: Duration::from_secs(40),
                silence: systemd::watchdog(),
            },
            children: Children::new(),
        }
    }

    /// Adds a listening socket that all children inherit and share. A name must not contain a colon
    /// (`sd_listen_fds_with_names(3)`).
    pub fn listen(mut self, name: impl Into<String>, listener: impl Into<OwnedFd>) -> Self {
        self.sockets.add(name.into(), listener.into(), false);
        self
    }

    /// Adds a listener. On Linux a TCP address gets a socket for each child, unless the listener is
    /// [inherited](Listener::inherited): its children then have about the same number of peers. The
    /// file of a [`UnixSocket`] is removed when the parent ends. TLS and the PROXY protocol are the
    /// children's.
    ///
    /// [`UnixSocket`]: crate::UnixSocket
    ///
    /// # Errors
    ///
    /// The listener could not be taken out of the runtime.
    pub fn pass_on(mut self, name: impl Into<String>, listener: Listener) -> io::Result<Self> {
        let is_to_spread = listener.is_tcp() && !listener.is_inherited;
        let (socket, file) = listener.into_fd()?;
        self.files.extend(file);
        self.sockets.add(name.into(), socket, is_to_spread);
        Ok(self)
    }

    /// Adds a separate listening Unix socket with this name for each child, after its other ones,
    /// for its metrics and its status. Only the user of the parent can connect to it, at the
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

    /// The number of children in a row that may die before they are ready, until a roll is stopped.
    /// With 1, a program that does not start writes its error once. Default: 3. Zero counts as one.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
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

    /// The longest time between two reports of a child that it is alive ([`systemd::notify`] sends
    /// them); a child that is silent for longer is ended with SIGABRT, killed 5 s later, and
    /// replaced. Default: that of systemd's `WatchdogSec=`, or none if the parent has no watchdog.
    pub fn watchdog(mut self, silence: Duration) -> Self {
        self.patience.silence = Some(silence);
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
    pub async fn run(mut self, shutdown: Shutdown) -> io::Result<bool> {
        let mut hangups = signal(SignalKind::hangup())?;
        self.sockets.spread(self.processes);
        let notices = Notices::new()?;
        let (sender, mut events) = mpsc::unbounded_channel();
        let mut places = Places::new(self.processes, self.attempts);
        let mut number = 0;
        let mut start = |place| {
            number += 1;
            self.start(&notices, (place, number), &sender)
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
        let status = |(process, is_ready, child): (usize, bool, &Child)| {
            let notice = notices.path(child.number);
            let has_socket = self.private_socket.is_some();
            ChildStatus {
                process,
                pid: child.pid,
                is_ready,
                since: child.since,
                socket: has_socket.then(|| child::private_path(&notice)),
                console: child::console_path(&notice),
            }
        };
        self.children.are(places.list().map(status).collect());
    }

    fn start(
        &self,
        notices: &Notices,
        (place, number): (usize, u64),
        events: &mpsc::UnboundedSender<(u64, Event)>,
    ) -> io::Result<Child> {
        let notice = notices.path(number);
        let command = self.command(place, &notice)?;
        let events = events.clone();
        Child::start(command, notice, number, self.patience, events)
    }

    fn command(&self, place: usize, notice: &Path) -> io::Result<Command> {
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
            Some(name) => {
                let socket: OwnedFd = UnixListener::bind(child::private_path(notice))?.into();
                Some((name, socket))
            }
            None => None,
        };
        let private = private
            .as_ref()
            .map(|(name, socket)| (name.as_str(), socket));
        let (names, sockets): (Vec<_>, Vec<_>) =
            self.sockets.of_place(place, private).into_iter().unzip();
        match self.patience.silence {
            Some(silence) => command.env("WATCHDOG_USEC", silence.as_micros().to_string()),
            None => command.env_remove("WATCHDOG_USEC"),
        };
        command
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("NOTIFY_SOCKET", notice)
            .env(FIRST_STEP_VARIABLE, "1")
            .env_remove(CHILD_VARIABLE);
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
