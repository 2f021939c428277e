//! One child process, from its start to its end.

use std::fs::Permissions;
use std::io;
#[cfg(target_os = "linux")]
use std::io::IoSliceMut;
#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
#[cfg(target_os = "linux")]
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::Child as Process;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The first descriptor of `sd_listen_fds(3)`.
const FIRST_SOCKET: i32 = 3;

/// The time for a child to end after SIGABRT, for example to write its stacks.
const ABORT: Duration = Duration::from_secs(5);

/// Passes copies of `sockets` to the process of `command`, starting at descriptor 3.
pub(super) fn give<'a>(
    command: &mut Command,
    sockets: impl Iterator<Item = &'a OwnedFd>,
) -> io::Result<()> {
    let mappings = (FIRST_SOCKET..)
        .zip(sockets)
        .map(|(child_fd, socket)| {
            let parent_fd = socket.try_clone()?;
            Ok(FdMapping {
                parent_fd,
                child_fd,
            })
        })
        .collect::<io::Result<Vec<_>>>()?;
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(())
}

/// A private directory for the sockets between the parent and its children.
#[derive(Debug)]
pub(super) struct Notices(TempDir);

impl Notices {
    /// Creates the directory in systemd's `RuntimeDirectory=`, or else in the system's folder for
    /// temporary files.
    pub(super) fn new() -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let mut folder = tempfile::Builder::new();
        folder.prefix("euryale-").permissions(private);
        let runtime = std::env::var_os("RUNTIME_DIRECTORY");
        let runtime = runtime.as_deref().and_then(|list| list.to_str());
        let runtime = runtime.and_then(|list| list.split(':').next());
        match runtime.filter(|path| !path.is_empty()) {
            Some(path) => folder.tempdir_in(path),
            None => folder.tempdir(),
        }
        .map(Self)
    }

    /// Returns the path of the socket to which a child reports.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.0.path().join(number.to_string())
    }
}

/// Returns the path of the private socket of the child that reports to `notice`.
pub(super) fn private_path(notice: &Path) -> PathBuf {
    notice.with_extension("private")
}

/// Returns the path at which the child that reports to `notice` may take commands.
pub(super) fn console_path(notice: &Path) -> PathBuf {
    notice.with_extension("console")
}

/// Removes the directory of a parent that was killed, with the sockets of all its children. Nobody
/// connects to them any more, and one of the children may never have been started.
pub(super) fn remove_directory(notice: &Path) {
    let Some(directory) = notice.parent() else {
        return;
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type();
        if kind.is_ok_and(|kind| kind.is_socket()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    // This fails if a child has just made another socket, which it removes itself.
    let _ = std::fs::remove_dir(directory);
}

/// Removes the files of a child.
fn remove_sockets(notice: &Path) {
    let _ = std::fs::remove_file(notice);
    let _ = std::fs::remove_file(private_path(notice));
    let _ = std::fs::remove_file(console_path(notice));
}

/// A report of a child, or its end.
#[derive(Debug)]
pub(super) enum Event {
    Ready,
    Ended(Ended),
}

/// The end of a child.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: io::Result<ExitStatus>,
    /// How long the child lived after it had become ready, or else after its start.
    pub(super) lived: Duration,
    /// Whether it was killed because it was not ready in time.
    pub(super) was_late: bool,
}

/// A report of a child to its parent. Each one shows that the child is alive.
#[derive(Clone, Copy, Debug)]
struct Report {
    is_ready: bool,
    /// Whether it drains.
    is_stopping: bool,
}

/// Starting ⇒ Serving when the child is ready; each of them ⇒ Ending when the child is asked to
/// end, or its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Serving,
    Ending,
}

/// Time limits of a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) ready: Duration,
    pub(super) drain: Duration,
    /// The longest time between two reports of a child that serves, if there is a watchdog.
    pub(super) silence: Option<Duration>,
}

/// The socket to which a child reports.
#[derive(Debug)]
struct Notice {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notice {
    fn new(path: PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::bind(&path)?;
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        Ok(Self { socket, path })
    }

    /// Returns the next report of the child, which has this process id. Programs that it has
    /// started inherit the path of the socket, and what they report is ignored.
    async fn report(&self, pid: u32) -> io::Result<Report> {
        let mut message = [0; 4096];
        let length = loop {
            let (length, sender) = receive(&self.socket, &mut message).await?;
            if sender.is_none_or(|sender| sender == pid) {
                break length;
            }
        };
        let says = |words: &[u8]| {
            message[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == words)
        };
        Ok(Report {
            is_ready: says(b"READY=1"),
            is_stopping: says(b"STOPPING=1"),
        })
    }
}

/// Receives a message. Returns its length, and the id of the process that has sent it.
#[cfg(target_os = "linux")]
async fn receive(socket: &UnixDatagram, into: &mut [u8]) -> io::Result<(usize, Option<u32>)> {
    let receive = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut more = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(into)];
        let received = recvmsg(socket, &mut parts, &mut more, RecvFlags::empty())?;
        let sender = more.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid),
            _ => None,
        });
        let sender = sender.map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
        Ok((received.bytes, sender))
    };
    socket.async_io(Interest::READABLE, receive).await
}

/// Other systems do not name the sender in the same way.
#[cfg(not(target_os = "linux"))]
async fn receive(socket: &UnixDatagram, into: &mut [u8]) -> io::Result<(usize, Option<u32>)> {
    Ok((socket.recv(into).await?, None))
}

impl Drop for Notice {
    fn drop(&mut self) {
        remove_sockets(&self.path);
    }
}

/// A child that has not been asked to end. Dropping this value kills it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) since: Instant,
    signals: mpsc::UnboundedSender<Signal>,
    is_to_end: bool,
}

impl Child {
    /// Starts `command`, which reports to `notice`. Events are sent with `number`; the last one is
    /// the child's end.
    pub(super) fn start(
        mut command: Command,
        notice: PathBuf,
        number: u64,
        patience: Patience,
        events: mpsc::UnboundedSender<(u64, Event)>,
    ) -> io::Result<Self> {
        let notice = Notice::new(notice)?;
        command.stdin(Stdio::piped());
        let process = tokio::process::Command::from(command).spawn()?;
        let pid = process.id().unwrap_or_default();
        let since = Instant::now();
        let (signals, asked) = mpsc::unbounded_channel();
        let watch = Watch {
            process,
            notice,
            pid,
            patience,
            asked,
            began: since,
        };
        tokio::spawn(async move {
            let is_ready = || drop(events.send((number, Event::Ready)));
            let ended = watch.follow(is_ready).await;
            drop(events.send((number, Event::Ended(ended))));
        });
        Ok(Self {
            number,
            pid,
            since,
            signals,
            is_to_end: false,
        })
    }

    /// Sends `signal`, and kills the child if it has not ended in time.
    pub(super) fn end(mut self, signal: Signal) -> Leaving {
        self.is_to_end = true;
        let _ = self.signals.send(signal);
        Leaving {
            number: self.number,
            signals: self.signals.clone(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_to_end {
            let _ = self.signals.send(Signal::KILL);
        }
    }
}

/// A child that has been asked to end.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) number: u64,
    signals: mpsc::UnboundedSender<Signal>,
}

impl Leaving {
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.signals.send(signal);
    }
}

struct Watch {
    process: Process,
    notice: Notice,
    pid: u32,
    patience: Patience,
    asked: mpsc::UnboundedReceiver<Signal>,
    began: Instant,
}

impl Watch {
    async fn follow(self, is_ready: impl Fn()) -> Ended {
        let Self {
            mut process,
            notice,
            pid,
            patience,
            mut asked,
            mut began,
        } = self;
        // The child drains when this pipe ends. `wait` would close it.
        let _parent = process.stdin.take();
        let mut stage = Stage::Starting;
        let mut limit = Some(began + patience.ready);
        let mut silence = patience.silence;
        let mut is_heard = true;
        let mut was_late = false;
        let status = loop {
            tokio::select! {
                biased;
                // Later reports are read, too: a full socket would block the child.
                report = notice.report(pid), if is_heard => {
                    let Ok(report) = report else {
                        is_heard = false;
                        continue;
                    };
                    if stage == Stage::Starting && report.is_ready {
                        stage = Stage::Serving;
                        began = Instant::now();
                        is_ready();
                    }
                    if report.is_stopping {
                        silence = None;
                    }
                    if stage == Stage::Serving {
                        limit = silence.map(|silence| Instant::now() + silence);
                    }
                }
                status = process.wait() => break status,
                Some(signal) = asked.recv() => {
                    send(&process, signal);
                    if stage != Stage::Ending {
                        stage = Stage::Ending;
                        limit = Some(Instant::now() + patience.drain);
                    }
                }
                () = sleep_until(limit.unwrap_or(began)), if limit.is_some() => {
                    limit = None;
                    match stage {
                        Stage::Starting => {
                            was_late = true;
                            let _ = process.start_kill();
                        }
                        Stage::Serving => {
                            tracing::error!(pid, "a child does not feed its watchdog; ending it");
                            send(&process, Signal::ABORT);
                            limit = Some(Instant::now() + ABORT);
                        }
                        Stage::Ending => {
                            tracing::error!(pid, "a child did not end in time; killing it");
                            let _ = process.start_kill();
                        }
                    }
                    stage = Stage::Ending;
                }
            }
        };
        Ended {
            status,
            lived: began.elapsed(),
            was_late,
        }
    }
}

fn send(process: &Process, signal: Signal) {
    // This is `None` once the child has been reaped, so the id cannot belong to another process.
    let pid = process.id().map(u32::cast_signed);
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
