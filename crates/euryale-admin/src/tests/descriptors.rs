//! Tests of a server with a low limit of descriptors. The server runs in a separate process, which
//! is this test program started again, because the limit applies to a whole process and the peers
//! need descriptors as well.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use euryale_blob::ServeFolder;
use euryale_core::Ledger;
use euryale_core::body::Descriptors;
use euryale_server::{DescriptorLimit, DescriptorShares, Listener, Readiness, Server, Shutdown};
use tokio::net::TcpListener;

use crate::Admin;

const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum time that an operator waits on an idle machine: five times the promised time.
const AT_ONCE: Duration = Duration::from_millis(250);
const LIMIT: usize = 128;
/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The variable with the role of the process: `unbounded`, or with `shares`.
const ROLE: &str = "EURYALE_DESCRIPTORS_TEST";

/// Runs the server, if this process was started for it.
#[test]
fn the_server_of_the_other_tests() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let limit = DescriptorLimit::raise().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let unsettled = runtime.block_on(serve(&role, &limit));
    runtime.shutdown_timeout(Duration::from_secs(1));
    assert!(unsettled.is_empty(), "{unsettled:?}");
}

async fn serve(role: &str, limit: &DescriptorLimit) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), vec![b'x'; 4 << 20]).unwrap();
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let wanted = DescriptorShares::new(20_000).files(20_000);
    let shares = if role == "shares" {
        limit.fit(wanted)
    } else {
        wanted
    };
    let files = Descriptors::new(shares.files, &ledger);
    let app = Router::new()
        .route("/page", get(async || "page"))
        .fallback_service(ServeFolder::new(folder.path()).descriptors(&files));
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operators = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!(
        "serving {} {} {}",
        public.local_addr().unwrap(),
        operators.local_addr().unwrap(),
        limit.usable()
    );
    let operators = Listener::from(operators).reserve(limit.reserve());
    let admin = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown));
    let server = Server::new()
        .listen(public)
        .admin(operators, admin)
        .max_sockets(shares.sockets)
        .ledger(ledger.clone());
    let serving = tokio::spawn(server.serve(app, shutdown.clone()));
    // The process runs until the test has ended.
    let (ends, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(|| {
        io::stdin().read_line(&mut String::new()).unwrap();
        ends.send(()).unwrap();
    });
    ended.await.unwrap();
    shutdown.drain();
    serving.await.unwrap();
    ledger.unsettled()
}

/// The process, as the test sees it.
struct Process {
    child: Child,
    public: SocketAddr,
    operators: SocketAddr,
    usable: usize,
}

impl Process {
    fn start(role: &str) -> Self {
        let test = "tests::descriptors::the_server_of_the_other_tests";
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once("serving ")?.1.to_owned()))
            .unwrap();
        // The rest is short and is not needed.
        std::thread::spawn(|| lines.for_each(drop));
        let mut words = said.split(' ');
        let mut next = || words.next().unwrap();
        Self {
            child,
            public: next().parse().unwrap(),
            operators: next().parse().unwrap(),
            usable: next().parse().unwrap(),
        }
    }

    /// Returns the number of descriptors below the limit for peers.
    fn open(&self) -> usize {
        let all = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let numbers =
            all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<usize>().ok());
        numbers.filter(|number| *number < self.usable).count()
    }

    /// Returns the number of descriptors of the served file.
    fn files(&self) -> usize {
        let all = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.ends_with("file")).count()
    }

    fn ask(&self, address: SocketAddr, path: &str) -> io::Result<String> {
        let mut peer = TcpStream::connect(address)?;
        peer.set_read_timeout(Some(PATIENCE))?;
        peer.write_all(
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = String::new();
        peer.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn metric(&self, name: &str) -> i64 {
        let metrics = self.ask(self.operators, "/metrics").unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }

    /// Checks that operators are always answered, and at once as far as other work on this machine
    /// permits.
    fn answers_operators(&self) {
        for path in ["/livez", "/metrics", "/status"] {
            let ask = |_| {
                let asked = Instant::now();
                let answer = self.ask(self.operators, path).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
                asked.elapsed()
            };
            let fastest = (0..5).map(ask).min().unwrap();
            assert!(fastest < AT_ONCE, "{path}: {fastest:?}");
        }
    }

    /// Returns the CPU time that the process has used so far.
    fn worked(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name may contain anything, so fields are counted after it: the 12th and the 13th are
        // ticks of 10 ms.
        let ticks = stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2);
        let ticks = ticks.map(|ticks| ticks.parse::<u32>().unwrap());
        Duration::from_millis(10) * ticks.sum::<u32>()
    }

    fn soft_limit(&self) -> usize {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        line.unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Checks, after all peers have left, that everything is as before, and that the process ends
    /// with a quiet ledger.
    fn heals(mut self) {
        eventually("sockets are closed", || {
            self.metric("euryale_sockets_open") == 0
        });
        eventually("files are closed", || {
            self.metric("euryale_descriptors_in_use") == 0
        });
        assert!(
            self.ask(self.public, "/page")
                .unwrap()
                .ends_with("\r\n\r\npage")
        );
        assert_eq!(
            self.soft_limit(),
            self.usable,
            "operators' descriptors are theirs again"
        );
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Connects a peer that requests a large file on `streams` streams and gives them no window.
fn stalls(process: &Process, streams: u8) -> TcpStream {
    let mut peer = TcpStream::connect(process.public).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let mut sent = [PREFACE, &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]].concat();
    for stream in (1..).step_by(2).take(usize::from(streams)) {
        // `GET /file` of the authority `a`, in the static table (RFC 7541 Appendix A).
        sent.extend([0, 0, 12, 1, 5, 0, 0, 0, stream, 0x82, 0x86, 0x04, 5]);
        sent.extend(b"/file\x01\x01a");
    }
    peer.write_all(&sent).unwrap();
    peer
}

#[test]
fn operators_are_answered_while_sockets_hold_every_other_descriptor() {
    let process = Process::start("unbounded");
    let mut crowd = Vec::new();
    eventually("no descriptor is left", || {
        if crowd.len() < 2 * LIMIT {
            crowd.push(TcpStream::connect(process.public).unwrap());
        }
        process.open() == process.usable
    });
    process.answers_operators();
    let worked = process.worked();
    let begun = Instant::now();
    eventually("a second has passed", || {
        begun.elapsed() >= Duration::from_secs(1)
    });
    let worked = process.worked() - worked;
    assert!(
        worked < begun.elapsed() / 4,
        "it spins: {worked:?} in {:?}",
        begun.elapsed()
    );
    process.answers_operators();
    drop(crowd);
    process.heals();
}

#[test]
fn operators_are_answered_while_files_of_http2_hold_every_other_descriptor() {
    let process = Process::start("unbounded");
    let mut crowd = Vec::new();
    let mut files = 0;
    eventually("no descriptor is left", || {
        files = files.max(process.files());
        // Opening a file needs more descriptors than the open file itself, so sockets take the last
        // ones.
        match crowd.len() {
            0..2 => crowd.push(stalls(&process, 60)),
            2..LIMIT if files >= LIMIT / 2 => {
                crowd.push(TcpStream::connect(process.public).unwrap());
            }
            _ => {}
        }
        process.open() == process.usable
    });
    process.answers_operators();
    drop(crowd);
    process.heals();
}

#[test]
fn streams_beyond_the_budget_of_files_are_refused_and_pages_served() {
    let process = Process::start("shares");
    let cap = process.metric("euryale_descriptors_cap");
    let crowd: Vec<_> = (0..8).map(|_| stalls(&process, 60)).collect();
    eventually("files are refused", || {
        process.metric("euryale_descriptors_refused_total") > cap
    });
    assert!(process.metric("euryale_descriptors_in_use_peak") <= cap);
    assert!(
        process.open() < process.usable,
        "the shares are below the limit"
    );
    let file = process.ask(process.public, "/file").unwrap();
    assert!(file.starts_with("HTTP/1.1 503 "), "{file}");
    assert!(
        process
            .ask(process.public, "/page")
            .unwrap()
            .ends_with("\r\n\r\npage")
    );
    process.answers_operators();
    drop(crowd);
    process.heals();
}

#[test]
fn sockets_beyond_their_share_wait_and_operators_do_not() {
    let process = Process::start("shares");
    let crowd: Vec<_> = (0..2 * LIMIT)
        .map(|_| TcpStream::connect(process.public).unwrap())
        .collect();
    eventually("as many are open as may be", || {
        let open = process.metric("euryale_sockets_open");
        open > 20 && process.open() < process.usable
    });
    process.answers_operators();
    drop(crowd);
    process.heals();
}
