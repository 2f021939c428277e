//! A process that serves the site and can be killed, and a client that uploads to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::point::{HEADER, Point, TOLD};
use super::upload;

/// The time after which a waiting test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable with the folder, for the program that is killed.
pub(super) const FOLDER: &str = "EURYALE_TEST_FOLDER";

/// Until a started process has executed its program, it has copies of all files that are open here,
/// and so of their locks. So a writer that was dropped here, or a sweep, would seem to continue.
static STARTING: Mutex<()> = Mutex::new(());

/// Runs `f` while no process is started, so that no child inherits its descriptors.
pub(super) fn alone<T>(f: impl FnOnce() -> T) -> T {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    f()
}

/// It is killed when it is dropped.
pub(super) struct Process {
    child: Child,
    told: Receiver<String>,
}

impl Process {
    /// This program, running only the test that [serves](super::held::serve).
    pub(super) fn start(folder: &Path) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = module.replace("process", "the_program_that_is_killed");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "--nocapture", &test])
            .env(FOLDER, folder);
        let mut child =
            alone(|| command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            lines
                .filter_map(|line| Some(line.strip_prefix(TOLD)?.to_owned()))
                .try_for_each(|line| tell.send(line))
        });
        Self { child, told }
    }

    /// Waits until it serves, and returns its address.
    pub(super) fn address(&self) -> SocketAddr {
        self.told.recv_timeout(PATIENCE).unwrap().parse().unwrap()
    }

    /// Waits until it holds a request, or the request has at least arrived.
    pub(super) fn reached(&self, point: Point) {
        assert_eq!(self.told.recv_timeout(PATIENCE), Ok(point.name()));
    }

    /// Lets held requests continue.
    pub(super) fn go_on(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
    }

    /// Kills it after `time`, or earlier if it writes a line.
    pub(super) fn kill_after(&mut self, time: Duration) {
        assert_ne!(
            self.told.recv_timeout(time),
            Err(RecvTimeoutError::Disconnected),
            "it ended by itself"
        );
        self.kill();
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most were killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upload on its way.
pub(super) struct Sending(TcpStream);

impl Sending {
    /// Sends upload `number` completely, or almost completely for [`Point::Spooling`].
    pub(super) fn start(to: SocketAddr, number: u32, hold: Option<Point>) -> io::Result<Self> {
        let mut peer = TcpStream::connect(to)?;
        peer.set_read_timeout(Some(PATIENCE))?;
        let body = upload::form(number);
        let hold_at = hold
            .map(|point| format!("{HEADER}: {}\r\n", point.name()))
            .unwrap_or_default();
        write!(
            peer,
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                {}{hold_at}content-length: {}\r\n\r\n",
            upload::CONTENT_TYPE,
            body.len(),
        )?;
        let missing = if hold == Some(Point::Spooling) { 10 } else { 0 };
        peer.write_all(&body[..body.len() - missing])?;
        Ok(Self(peer))
    }

    /// The status of its answer, if there is one.
    pub(super) fn status(mut self) -> Option<u16> {
        let mut answer = Vec::new();
        // The part that arrived before an error counts.
        let _ = self.0.read_to_end(&mut answer);
        let head = String::from_utf8_lossy(&answer);
        head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}
