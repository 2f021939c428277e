//! One child process, from its start to its end.

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The first descriptor of `sd_listen_fds(3)`.
const FIRST_SOCKET: i32 = 3;

/// Gives copies of `sockets` to the process of `command`, from descriptor 3 on.
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

/// A directory of this user alone, for the sockets that children report to.
#[derive(Debug)]
pub(super) struct Notices(TempDir);

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new()
            .prefix("euryale-")
            .permissions(private)
            .tempdir()?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.0.path().join(number.to_string())
    }
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) status: ExitStatus,
}

/// The socket that one child reports to.
#[derive(Debug)]
struct Notice {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Drop for Notice {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A child that has not been told to end. When it is dropped, it is killed.
#[derive(Debug)]
pub(super) struct Child {
    number: u64,
    pid: u32,
    notice: Arc<Notice>,
    signals: mpsc::UnboundedSender<Signal>,
    is_to_end: bool,
}

impl Child {
    /// Starts `command`. Its end is sent to `exits`.
    pub(super) fn start(
        mut command: Command,
        notices: &Notices,
        number: u64,
        drain_within: Duration,
        exits: mpsc::UnboundedSender<Exit>,
    ) -> io::Result<Self> {
        let path = notices.path(number);
        let socket = UnixDatagram::bind(&path)?;
        let notice = Arc::new(Notice { socket, path });
        command.stdin(Stdio::piped());
        let mut process = tokio::process::Command::from(command).spawn()?;
        let pid = process.id().unwrap_or_default();
        let (signals, mut asked) = mpsc::unbounded_channel();
        let open = Arc::clone(&notice);
        tokio::spawn(async move {
            // A child also reports that it drains.
            let _open = open;
            // The child drains when this pipe ends. `wait` would close it.
            let _parent = process.stdin.take();
            let status = loop {
                tokio::select! {
                    status = process.wait() => break status,
                    Some(signal) = asked.recv() => {
                        // None once it has been reaped, so the number is still its own.
                        let pid = process.id().map(u32::cast_signed);
                        if let Some(pid) = pid.and_then(Pid::from_raw) {
                            let _ = kill_process(pid, signal);
                        }
                        if let Ok(status) = timeout(drain_within, process.wait()).await {
                            break status;
                        }
                        tracing::error!(pid, "a child did not end in time; killing it");
                        let _ = process.start_kill();
                    }
                }
            };
            if let Ok(status) = status {
                let _ = exits.send(Exit {
                    number,
                    pid,
                    status,
                });
            }
        });
        Ok(Self {
            number,
            pid,
            notice,
            signals,
            is_to_end: false,
        })
    }

    /// Waits until it is ready. Otherwise it is killed.
    pub(super) async fn ready(self, within: Duration) -> io::Result<Self> {
        let pid = self.pid;
        let is_ready = async {
            let mut message = [0; 4096];
            loop {
                tokio::select! {
                    biased;
                    // The task ends with the process.
                    () = self.signals.closed() => {
                        let error = format!("child {pid} ended before it was ready");
                        return Err(io::Error::other(error));
                    }
                    length = self.notice.socket.recv(&mut message) => {
                        let lines = message[..length?].split(|byte| *byte == b'\n');
                        if lines.into_iter().any(|line| line == b"READY=1") {
                            return Ok(());
                        }
                    }
                }
            }
        };
        match timeout(within, is_ready).await {
            Ok(ready) => ready.map(|()| self),
            Err(_) => Err(io::Error::other(format!(
                "child {pid} was not ready within {within:?}"
            ))),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Lets it drain.
    pub(super) fn end(mut self) {
        self.is_to_end = true;
        let _ = self.signals.send(Signal::TERM);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_to_end {
            let _ = self.signals.send(Signal::KILL);
        }
    }
}
