//! The program as its users run it: flags, signals, exit codes, and one line for each mistake.

#![expect(
    clippy::unwrap_used,
    reason = "a panic in a test is its verdict, in its helpers as well"
)]

mod access_log;
mod agent;
mod arenas;
mod attacks;
mod browser;
mod check;
mod clients;
mod console;
mod database;
mod deploy;
mod descriptors;
mod disk;
mod drain;
mod edge;
mod floods;
mod import;
mod killed;
mod local;
mod log;
mod metrics;
mod nginx;
mod opening;
mod peer;
mod pictures;
mod postgres;
mod processes;
mod reload;
mod rolls;
mod settings;
mod signals;
mod sshd;
mod stalled;
mod status;
mod together;
mod variables;
mod websocket;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The time after which a waiting test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const SITE: &str = env!("CARGO_BIN_EXE_site");

fn site(flags: &[&str]) -> Command {
    let mut command = program(SITE);
    command.args(flags);
    command
}

/// A program that inherits no settings, and whose output goes to the test.
fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited
        .filter(|name| name.to_string_lossy().starts_with("EURYALE_") || name == "RUST_LOG")
    {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ended(flags: &[&str]) -> Output {
    output(site(flags))
}

/// For programs with little output.
fn output(mut command: Command) -> Output {
    let mut child = command.spawn().unwrap();
    exit_code(&mut child);
    child.wait_with_output().unwrap()
}

/// Once it has ended by itself.
fn exit_code(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            give_up(child);
            panic!("it did not end within {PATIENCE:?}");
        }
        between_looks();
    }
}

fn give_up(child: &mut Child) {
    // It may have ended a moment ago.
    let _ = child.kill();
    let _ = child.wait();
}

fn signal(child: &Child, name: &str) {
    // The shell's own command, which exists everywhere.
    let kill = format!("kill {name} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

/// A running site. When it is dropped, it is ended by its id.
struct Running {
    child: Child,
    public: Vec<SocketAddr>,
    admin: SocketAddr,
    agent: Option<SocketAddr>,
    /// Its first line.
    greeting: String,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

impl Running {
    fn start(data: &Path, more: &[&str]) -> Self {
        Self::spawn(site(&[]), data, more)
    }

    /// The site is started by `shell`, which executes it with `exec "$0" "$@"`: the same process,
    /// after the shell's commands.
    fn start_in(shell: &str, data: &Path, more: &[&str]) -> Self {
        let mut command = program("sh");
        command.args(["-c", shell, SITE]);
        Self::spawn(command, data, more)
    }

    /// At the addresses of an earlier site that has ended.
    fn start_at([public, admin, agent]: [SocketAddr; 3], data: &Path, more: &[&str]) -> Self {
        let public = format!("--listen={public}");
        let agent = format!("--agent={agent}");
        Self::spawn_at(site(&[]), admin, data, &[more, &[&public, &agent]].concat())
    }

    /// On free ports, which its first line names.
    fn spawn(command: Command, data: &Path, more: &[&str]) -> Self {
        Self::spawn_at(command, ([127, 0, 0, 1], 0).into(), data, more)
    }

    fn spawn_at(mut command: Command, admin: SocketAddr, data: &Path, more: &[&str]) -> Self {
        command.args([
            "--listen=127.0.0.1:0",
            &format!("--admin={admin}"),
            "--data",
        ]);
        let mut child = command.arg(data).args(more).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        // Read while it runs, because lines of a log that nobody reads are lost. `None` if a test
        // sends it elsewhere.
        let listening = child.stderr.take().map(|log| {
            let log = BufReader::new(log);
            let heard = said.clone();
            std::thread::spawn(move || {
                for line in log.lines() {
                    let mut heard = heard.lock().unwrap();
                    heard.push_str(&line.unwrap());
                    heard.push('\n');
                }
            })
        });
        let (tell, told) = channel();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            // The receiver may be gone already.
            let _ = stdout.read_line(&mut line).map(|_| tell.send(line));
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            give_up(&mut child);
            panic!(
                "it did not start within {PATIENCE:?}\n{}",
                said.lock().unwrap()
            )
        });
        let urls = line
            .split("http://")
            .skip(1)
            .filter_map(|rest| rest.split('/').next());
        let mut public: Vec<SocketAddr> = urls.map(|address| address.parse().unwrap()).collect();
        let admin = public
            .pop()
            .unwrap_or_else(|| panic!("{line}{}", said.lock().unwrap()));
        let agent = line
            .split("agent: ")
            .nth(1)
            .map(|address| address.trim().parse().unwrap());
        Self {
            child,
            public,
            admin,
            agent,
            greeting: line,
            said,
            listening,
        }
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Its exit code, and its standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let code = exit_code(&mut self.child);
        self.listening
            .take()
            .map(JoinHandle::join)
            .transpose()
            .unwrap();
        (code, self.said())
    }

    /// Its standard error so far.
    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Ends it as its operator would, and checks that it ends without an error. Returns its
    /// standard error.
    fn end_well(self) -> String {
        self.signal("-TERM");
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `end` it is gone already.
        give_up(&mut self.child);
    }
}

fn send(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    send_to(address, "localhost", path)
}

/// Sends the request to the site by this host name.
fn send_to(address: SocketAddr, host: &str, path: &str) -> io::Result<TcpStream> {
    let mut peer = TcpStream::connect(address)?;
    peer.set_read_timeout(Some(PATIENCE))?;
    write!(
        peer,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )?;
    Ok(peer)
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    rest(send(address, path)?)
}

fn rest(mut peer: TcpStream) -> io::Result<String> {
    let mut answer = String::new();
    peer.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Polling costs the polled site time: all of them share two cores in the worst case.
fn between_looks() {
    std::thread::park_timeout(Duration::from_millis(2));
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        between_looks();
    }
}

impl Running {
    /// Waits until a gauge in the metrics has this value.
    fn counts(&self, gauge: &str, value: usize) {
        let line = format!("\n{gauge} {value}\n");
        eventually(&line, || {
            get(self.admin, "/metrics").unwrap().contains(&line)
        });
    }

    /// A request that is published for the given time.
    fn slow(&self, ms: usize) -> TcpStream {
        let peer = send(self.public[0], &format!("/@@slow?ms={ms}")).unwrap();
        self.counts("euryale_publishers_running", 1);
        peer
    }
}

#[test]
fn the_site_serves_and_drains() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made/by/the/site");
    let site = Running::start(&data, &[]);
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .contains("<h1>Euryale</h1>")
    );
    assert!(
        get(site.admin, "/readyz")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let slow = site.slow(300);
    site.signal("-TERM");
    assert!(rest(slow).unwrap().ends_with("worked for 300 ms\n"));
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.lines()
            .any(|line| line.contains("GET / status=200 bytes=")),
        "{said}"
    );
    assert!(data.join("site.db").is_file());
    // The listener for operators does not log its own end.
    assert_eq!(said.matches(": drained").count(), 1, "{said}");
    assert!(
        said.contains("site::theme: theme compiled name=\"euryale\""),
        "{said}"
    );
}

#[test]
fn the_log_is_written_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--log-format=json", "--drain=30s"]);
    assert!(
        get(site.public[0], "/history?a=%22b%22")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        get(site.public[0], "/nothing")
            .unwrap()
            .starts_with("HTTP/1.1 404")
    );
    drop(site.slow(300));
    site.counts("euryale_sockets_open", 0);
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "site::access_log")
        .collect();
    let expected = [
        ("/history?a=%22b%22", "answered", Some(200)),
        ("/nothing", "answered", Some(404)),
        ("/@@slow?ms=300", "gone", None),
    ];
    assert_eq!(access.len(), expected.len(), "{said}");
    for (line, (uri, message, status)) in access.into_iter().zip(expected) {
        assert_eq!(
            (&line["method"], &line["uri"], &line["message"]),
            (&"GET".into(), &uri.into(), &message.into())
        );
        assert_eq!(
            (line["status"].as_u64(), line["gone"] == true),
            (status, status.is_none()),
            "{line}"
        );
        assert_eq!(line["bytes"].is_u64(), status.is_some(), "{line}");
        assert!(
            line["ms"].is_f64() && line["timestamp"].is_string() && line["level"] == "INFO",
            "{line}"
        );
    }
}

#[test]
fn the_site_serves_at_every_address() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--listen=127.0.0.1:0,127.0.0.1:0"]);
    assert_eq!(site.public.len(), 3);
    for address in &site.public {
        assert!(
            get(*address, "/history")
                .unwrap()
                .starts_with("HTTP/1.1 200")
        );
    }
    site.signal("-TERM");
    assert_eq!(site.end().0, Some(0));
}

#[test]
fn work_without_a_client_has_the_time_of_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    for (ms, drain, expected) in [(300, "--drain=30s", 0), (60_000, "--drain=50ms", 3)] {
        let site = Running::start(folder.path(), &[drain]);
        drop(site.slow(ms));
        site.counts("euryale_sockets_open", 0);
        site.signal("-INT");
        let (code, said) = site.end();
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("gone=true"), "{said}");
    }
}

#[test]
fn unfinished_work_is_cut_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--drain=50ms"]);
    let slow = site.slow(60_000);
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    drop(slow);
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--drain=1h"]);
    let slow = site.slow(60_000);
    site.signal("-TERM");
    eventually("it drains", || {
        get(site.admin, "/readyz")
            .unwrap()
            .starts_with("HTTP/1.1 503")
    });
    site.signal("-INT");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    drop(slow);
}

#[test]
fn mistake_is_reported_in_one_line_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let untouched = folder.path().join("untouched");
    let data = untouched.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    let cases = [
        (
            ["--listen", &taken, "--admin", free, "--data", data],
            "the address is in use",
            &*taken,
            "--listen",
        ),
        (
            ["--listen", free, "--admin", &taken, "--data", data],
            "the address is in use",
            &*taken,
            "--admin",
        ),
        (
            ["--listen", "192.0.2.1:80", "--admin", free, "--data", data],
            "cannot listen",
            "192.0.2.1",
            "--listen",
        ),
        (
            ["--listen", free, "--admin", free, "--data", file],
            "cannot make the data folder",
            file,
            "--data",
        ),
    ];
    for (flags, what, place, remedy) in cases {
        let output = ended(&flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with(&format!("error: {what}")) && said.lines().count() == 1,
            "{said}"
        );
        assert!(said.contains(place) && said.contains(remedy), "{said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!untouched.exists());
}

#[test]
fn wrong_flags_and_variables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let command = |variable: &str, value: &str| {
        let mut command = site(&["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--data"]);
        command.arg(&data).env(variable, value);
        output(command)
    };
    let cases = [
        ("EURYALE_CONNECTIONS", "0", 2, "--connections"),
        ("EURYALE_MAX_WAIT", "soon", 2, "--max-wait"),
        ("EURYALE_LOG", "site=loud=very", 1, "EURYALE_LOG"),
        ("EURYALE_LOG", "json", 1, "EURYALE_LOG_FORMAT=json"),
    ];
    for (variable, value, code, place) in cases {
        let output = command(variable, value);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains(place),
            "{said}"
        );
    }
    assert!(!data.exists());
}
