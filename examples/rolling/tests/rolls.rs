//! Tests with real processes under load. Clients keep their sockets and repeat no request.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rolling");
const LONG: Duration = Duration::from_secs(20);

/// The example as a process of its own. It is killed when a test fails.
struct Rolling {
    parent: Child,
    address: String,
}

impl Rolling {
    fn start() -> Self {
        Self::run(&mut Command::new(PROGRAM))
    }

    fn run(program: &mut Command) -> Self {
        let mut parent = program
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(parent.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let address = address.trim().to_owned();
        Self { parent, address }
    }

    fn signal(&self, signal: Signal) {
        send(self.parent.id(), signal);
    }

    /// Ends the process, and checks that no request was cut off.
    fn end(mut self) {
        self.signal(Signal::TERM);
        assert!(self.parent.wait().unwrap().success());
        assert!(TcpStream::connect(&self.address).is_err());
    }
}

impl Drop for Rolling {
    fn drop(&mut self) {
        let _ = self.parent.kill();
    }
}

fn send(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(process, signal).unwrap();
}

/// Sends a request on a socket that stays open. Returns the process that answered, and whether the
/// socket serves further requests.
fn ask(socket: &mut BufReader<TcpStream>) -> std::io::Result<(u32, bool)> {
    socket
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
    let mut length = 0;
    let mut is_reusable = true;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(("connection", "close")) => is_reusable = false,
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    let process = String::from_utf8(body).unwrap().parse().unwrap();
    Ok((process, is_reusable))
}

fn connect(address: &str) -> std::io::Result<BufReader<TcpStream>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(LONG))?;
    Ok(BufReader::new(socket))
}

/// Clients that send requests until they are stopped, half of them on kept sockets.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<(BTreeSet<u32>, Vec<String>)>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients = (0..8)
            .map(|client| {
                let address = address.to_owned();
                let is_over = Arc::clone(&is_over);
                let answered = Arc::clone(&answered);
                let keeps = client % 2 == 0;
                std::thread::spawn(move || {
                    let mut processes = BTreeSet::new();
                    let mut failures = Vec::new();
                    let mut kept = None;
                    while !is_over.load(Ordering::Relaxed) {
                        let asked = kept.take().map_or_else(|| connect(&address), Ok);
                        let asked = asked.and_then(|mut socket| Ok((ask(&mut socket)?, socket)));
                        match asked {
                            Ok(((process, is_reusable), socket)) => {
                                processes.insert(process);
                                answered.fetch_add(1, Ordering::Relaxed);
                                kept = (keeps && is_reusable).then_some(socket);
                            }
                            Err(error) => failures.push(error.to_string()),
                        }
                    }
                    (processes, failures)
                })
            })
            .collect();
        Self {
            is_over,
            answered,
            clients,
        }
    }

    /// Returns the processes that answered, the failures and the number of answers.
    fn end(self) -> (BTreeSet<u32>, Vec<String>, usize) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut processes = BTreeSet::new();
        let mut failures = Vec::new();
        for client in self.clients {
            let (seen, failed) = client.join().unwrap();
            processes.extend(seen);
            failures.extend(failed);
        }
        (processes, failures, self.answered.load(Ordering::Relaxed))
    }
}

fn eventually(mut what: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < LONG, "it did not happen in time");
        std::thread::yield_now();
    }
}

/// Returns the process that answers a new socket.
fn answering(address: &str) -> u32 {
    ask(&mut connect(address).unwrap()).unwrap().0
}

/// Waits until only new processes answer, which are not in `old`.
fn only_new(address: &str, old: &BTreeSet<u32>) {
    eventually(|| (0..40).all(|_| !old.contains(&answering(address))));
}

fn roll(times: usize) {
    let rolling = Rolling::start();
    let load = Load::start(&rolling.address);
    let mut old = BTreeSet::new();
    for _ in 0..times {
        let before = load.answered.load(Ordering::Relaxed);
        eventually(|| load.answered.load(Ordering::Relaxed) > before + 200);
        old.extend((0..40).map(|_| answering(&rolling.address)));
        rolling.signal(Signal::HUP);
        only_new(&rolling.address, &old);
    }
    let (processes, failures, answered) = load.end();
    println!(
        "{times} rolls: {answered} answers, {} failed",
        failures.len()
    );
    assert_eq!(failures, [""; 0]);
    assert!(processes.len() > times, "{processes:?}");
    rolling.end();
}

#[test]
fn two_rolls_lose_no_request() {
    roll(2);
}

#[test]
#[ignore = "slow: cargo test -p rolling -- --ignored --nocapture"]
fn twenty_rolls_lose_no_request() {
    roll(20);
}

#[test]
fn a_child_that_is_killed_is_replaced() {
    let rolling = Rolling::start();
    let first = answering(&rolling.address);
    send(first, Signal::KILL);
    let begin = Instant::now();
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        assert!(begin.elapsed() < LONG, "{seen:?}");
        // A socket that the killed process had accepted may fail.
        if let Ok((process, _)) = connect(&rolling.address).and_then(|mut socket| ask(&mut socket))
            && process != first
        {
            seen.insert(process);
        }
    }
    rolling.end();
}

#[test]
fn children_end_when_their_parent_is_killed_and_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let mut rolling = Rolling::run(Command::new(PROGRAM).env("TMPDIR", folder.path()));
    answering(&rolling.address);
    assert_eq!(files(), 1);
    rolling.parent.kill().unwrap();
    rolling.parent.wait().unwrap();
    eventually(|| TcpStream::connect(&rolling.address).is_err());
    eventually(|| files() == 0);
}

/// A terminal sends SIGINT to all processes in the foreground. The children would take it and the
/// parent's signal for two, and cut.
#[test]
fn ctrl_c_drains_the_children_through_their_parent() {
    let mut program = Command::new(PROGRAM);
    let mut rolling = Rolling::run(program.process_group(0));
    let mut socket = connect(&rolling.address).unwrap();
    ask(&mut socket).unwrap();
    let group = Pid::from_raw(rolling.parent.id().cast_signed()).unwrap();
    let begin = Instant::now();
    kill_process_group(group, Signal::INT).unwrap();
    assert!(rolling.parent.wait().unwrap().success());
    // There is no lame duck, although a socket is idle.
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

/// What systemd's `Type=notify-reload` requires.
#[test]
fn parent_reports_to_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(LONG)).unwrap();
    let message = || {
        let mut message = [0; 4096];
        let length = systemd.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let rolling = Rolling::run(Command::new(PROGRAM).env("NOTIFY_SOCKET", &path));
    assert!(message().starts_with("READY=1\n"));
    rolling.signal(Signal::HUP);
    let reloading = message();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert!(message().starts_with("READY=1\n"));
    rolling.end();
    assert!(message().starts_with("STOPPING=1\n"));
}

#[test]
fn a_new_program_that_does_not_start_ends_no_child() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rolling");
    std::fs::copy(PROGRAM, &path).unwrap();
    let mut rolling = Rolling::run(Command::new(&path).stderr(Stdio::piped()));
    let mut log = BufReader::new(rolling.parent.stderr.take().unwrap()).lines();
    let mut old = BTreeSet::new();
    eventually(|| {
        old.insert(answering(&rolling.address));
        old.len() == 2
    });

    let broken = folder.path().join("broken");
    std::fs::write(&broken, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&broken, Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&broken, &path).unwrap();
    rolling.signal(Signal::HUP);
    let said = log.find(|line| line.as_ref().unwrap().contains("the roll stops"));
    assert!(said.is_some());
    assert!((0..40).all(|_| old.contains(&answering(&rolling.address))));
    let rest = std::thread::spawn(move || log.map(Result::unwrap).collect::<Vec<_>>());
    rolling.end();
    let warnings = rest.join().unwrap();
    let warnings: Vec<_> = warnings
        .iter()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warnings, [""; 0], "children say goodbye to their parent");
}
