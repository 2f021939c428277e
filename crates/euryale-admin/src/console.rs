//! A Unix socket for commands.

#[cfg(feature = "supervise")]
mod children;
pub(crate) mod dump;
pub(crate) mod pool;
mod timed;
pub(crate) mod trace;

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use euryale_core::body::Reserve;
use euryale_server::{SocketFile, UnixSocket};
use tokio::runtime::Handle;

use self::timed::{Timed, connect};
use crate::commands::Commands;

/// The longest line of a command.
const MAX_LINE: usize = 4096;

/// The time for a client to send its command, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The first line of an answer.
const OK: &str = "ok\n";
const ERROR: &str = "error\n";

/// A Unix socket at which operators give commands to the running program, as long as this value
/// exists. Only the user of the process and root can use it: the file has the mode 0600, and the
/// peer's user is checked and logged with each command.
///
/// A thread of its own runs the commands one after another. It needs no runtime thread and no
/// worker, so it answers even while all of them are stuck.
///
/// A client sends one line. The first line of the answer is `ok` or `error`, and the rest is text
/// for people. [`command`] is such a client.
///
/// There is no login and no encryption: for access from other machines use the host's sshd, with
/// `restrict,command="…"` in `authorized_keys`.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    _file: SocketFile,
}

impl Console {
    /// Listens at `path`, and runs `commands`, in the context of the current runtime if there is
    /// one. With a `reserve` it also answers while every other descriptor is in use.
    ///
    /// # Errors
    ///
    /// Those of [`UnixSocket::bind`], and those of starting a thread.
    pub fn start(
        path: impl Into<PathBuf>,
        commands: Commands,
        reserve: Option<Reserve>,
    ) -> io::Result<Self> {
        let path = path.into();
        let (listener, file) = UnixSocket::new(&path).mode(0o600).bind_std()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_over);
        let runtime = Handle::try_current().ok();
        let serve = move || {
            // Commands may start tasks.
            let _runtime = runtime.as_ref().map(Handle::enter);
            while let Some(client) = next(&listener, reserve.as_ref(), &ended) {
                serve(&client, &commands);
            }
        };
        thread::Builder::new()
            .name("console".to_owned())
            .spawn(serve)?;
        Ok(Self {
            path,
            is_over,
            _file: file,
        })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread, as every client does: if the queue is full, the thread is awake anyway.
        // If another program has the path by now, the thread ends with the process.
        let _ = connect(&self.path);
    }
}

/// Waits for a client. Returns `None` once the console has ended.
fn next(
    listener: &UnixListener,
    reserve: Option<&Reserve>,
    is_over: &AtomicBool,
) -> Option<UnixStream> {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        let mut accepted = listener.accept();
        if let (Err(_), Some(reserve)) = (&accepted, reserve) {
            // The client is in the queue, so this does not wait.
            if let Poll::Ready(again) = reserve.open(|| Poll::Ready(listener.accept())) {
                accepted = again;
            }
        }
        if is_over.load(Ordering::Relaxed) {
            return None;
        }
        match accepted {
            Ok((client, _)) => return Some(client),
            Err(_) => thread::park_timeout(PAUSE),
        }
    }
}

fn serve(client: &UnixStream, commands: &Commands) {
    let peer = Peer::of(client);
    if !peer.is_allowed() {
        tracing::warn!(%peer, "command of another user refused");
        answer(client, ERROR, "this user may not give commands");
        return;
    }
    let line = match read_line(client) {
        Ok(line) => line,
        Err(error) => {
            tracing::warn!(%peer, %error, "command not read");
            return;
        }
    };
    // Logged first, because the command may end the program.
    tracing::info!(%peer, command = line, "command given");
    let run = AssertUnwindSafe(|| commands.run(&line));
    let ran = catch_unwind(run).unwrap_or_else(|_| Err("the command panicked".into()));
    match ran {
        Ok(text) => answer(client, OK, text),
        Err(error) => {
            tracing::warn!(%peer, command = line, %error, "command failed");
            answer(client, ERROR, error);
        }
    }
}

/// The peer may be gone, which concerns nobody else.
fn answer(client: &UnixStream, first: &str, text: impl Display) {
    let mut answer = format!("{first}{text}");
    if !answer.ends_with('\n') {
        answer.push('\n');
    }
    let _ = Timed::new(client, PATIENCE).write_all(answer.as_bytes());
}

fn read_line(client: &UnixStream) -> io::Result<String> {
    let mut client = Timed::new(client, PATIENCE);
    let mut line = Vec::new();
    let mut bytes = [0; 512];
    loop {
        let read = client.read(&mut bytes)?;
        line.extend_from_slice(&bytes[..read]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            break;
        }
        if read == 0 {
            break;
        }
        if line.len() > MAX_LINE {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the line is too long",
            ));
        }
    }
    String::from_utf8(line).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// The process at the other end.
#[derive(Debug)]
struct Peer {
    /// Its user, where the system can tell.
    uid: Option<u32>,
    pid: Option<i32>,
}

impl Peer {
    #[cfg(target_os = "linux")]
    fn of(client: &UnixStream) -> Self {
        match rustix::net::sockopt::socket_peercred(client) {
            Ok(peer) => Self {
                uid: Some(peer.uid.as_raw()),
                pid: Some(peer.pid.as_raw_nonzero().get()),
            },
            // A peer that the system does not name is not allowed.
            Err(_) => Self {
                uid: Some(u32::MAX),
                pid: None,
            },
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_: &UnixStream) -> Self {
        Self {
            uid: None,
            pid: None,
        }
    }

    /// Returns whether the peer is root, or the user of this process. Where the system does not
    /// name peers, the mode of the file decides.
    fn is_allowed(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.uid.is_none_or(|uid| uid == 0 || uid == own)
    }
}

impl Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.uid, self.pid) {
            (Some(uid), Some(pid)) => write!(f, "uid {uid}, pid {pid}"),
            (Some(uid), None) => write!(f, "uid {uid}"),
            _ => f.write_str("unknown"),
        }
    }
}

/// Sends the command in `line` to the program whose [`Console`] is at `path`. Returns its answer,
/// or an error after `patience`.
///
/// # Errors
///
/// The console could not be reached, or did not answer in time (`TimedOut`). The inner error is the
/// answer of a command that failed.
pub fn command(
    path: impl AsRef<Path>,
    line: &str,
    patience: Duration,
) -> io::Result<Result<String, String>> {
    let answer = ask(path.as_ref(), line, patience).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "it does not answer"),
        _ => error,
    })?;
    if let Some(text) = answer.strip_prefix(OK) {
        return Ok(Ok(text.to_owned()));
    }
    match answer.strip_prefix(ERROR) {
        Some(text) => Ok(Err(text.trim_end().to_owned())),
        None => Err(io::Error::new(
            ErrorKind::InvalidData,
            "the answer is not that of a console",
        )),
    }
}

/// Sends a command line to the program whose [`Console`] is at `path`, and waits up to 5 s for the
/// answer. Without `words`, it sends `help`. Commands such as `site ctl` are made of this.
///
/// # Errors
///
/// Those of [`command`].
pub fn ctl(path: impl AsRef<Path>, words: &[String]) -> io::Result<Result<String, String>> {
    const LONG: Duration = Duration::from_secs(5);
    let line = if words.is_empty() {
        "help".to_owned()
    } else {
        words.join(" ")
    };
    command(path, &line, LONG)
}

fn ask(path: &Path, line: &str, patience: Duration) -> io::Result<String> {
    let console = connect(path)?;
    let mut console = Timed::new(&console, patience);
    console.write_all(line.as_bytes())?;
    console.write_all(b"\n")?;
    let mut answer = String::new();
    console.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn only_root_and_the_own_user_are_allowed() {
        let own = rustix::process::geteuid().as_raw();
        let is_allowed = |uid| Peer { uid, pid: None }.is_allowed();
        assert!(is_allowed(Some(own)) && is_allowed(Some(0)));
        assert!(!is_allowed(Some(own + 1)));
        assert!(!is_allowed(Some(u32::MAX)));
    }
}
