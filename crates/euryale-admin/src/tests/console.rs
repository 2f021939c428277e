//! Commands at a Unix socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use euryale_connection::Pool;
use euryale_core::request::{Route, Times};
use euryale_server::{Polls, Readiness, Slowest};
use euryale_test::{Gate, assert_quiet, eventually};
use http::{Method, StatusCode};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower_service::Service;

use super::*;
use crate::{Commands, Console, command};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console");
    (folder, path)
}

fn give(path: &Path, line: &str) -> Result<String, String> {
    command(path, line, PATIENCE).unwrap()
}

/// The fastest of several answers, because a busy machine delays some of them.
fn fastest(path: &Path, line: &str) -> Duration {
    let times = (0..10).map(|_| {
        let begin = Instant::now();
        give(path, line).unwrap();
        begin.elapsed()
    });
    times.min().unwrap()
}

/// Threads of a runtime that are stuck until this value is dropped.
struct Stuck(#[expect(dead_code, reason = "dropping them ends the threads")] Vec<Sender<()>>);

impl Stuck {
    fn all(runtime: &Runtime, threads: usize) -> Self {
        let (are_stuck, stuck) = channel();
        let hold = |_| {
            let (sender, ended) = channel::<()>();
            let is_stuck = are_stuck.clone();
            runtime.spawn(async move {
                is_stuck.send(()).unwrap();
                let _ = ended.recv();
            });
            sender
        };
        let senders = (0..threads).map(hold).collect();
        for _ in 0..threads {
            stuck.recv_timeout(PATIENCE).unwrap();
        }
        Self(senders)
    }
}

#[test]
fn commands_answer_within_50_ms_while_all_workers_and_runtime_threads_are_stuck() {
    const THREADS: usize = 2;
    let (_folder, path) = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let pool = Pool::builder(()).connections(1).lane("reports", 1).build();
    let gate = Gate::new();
    let held = gate.clone();
    let claim = pool.claim().route(Route::new("/reports/{year}"));
    let job = runtime.spawn(claim.on_connection(move |()| held.wait()));
    runtime.block_on(eventually("a job runs", || gate.waiting() == 1));
    let waits = runtime.spawn(pool.claim().on_connection(|()| ()));
    runtime.block_on(eventually("one waits", || pool.status().queued == 1));
    let shutdown = Shutdown::new();
    let ends = shutdown.clone();
    let admin = Admin::new(&pool).verb("drain", "finish requests and end", move |_| {
        ends.drain();
        Ok(String::new())
    });
    let console = admin.console(&path, None).unwrap();
    // A busy machine may need more than 20 ms for a task.
    let runs = || {
        give(&path, "dump")
            .unwrap()
            .contains("runtime: ran a task after ")
    };
    runtime.block_on(eventually("the runtime runs a task", runs));

    let stuck = Stuck::all(&runtime, THREADS);
    for line in [
        "help",
        "status",
        "dump",
        "restrict reports 2",
        "resize 1",
        "drain",
    ] {
        let time = fastest(&path, line);
        assert!(time < Duration::from_millis(50), "{line}: {time:?}");
    }
    assert!(shutdown.is_draining());
    let status = give(&path, "status").unwrap();
    assert!(status.contains("workers: 1 of 1 busy"), "{status}");
    assert!(status.contains("lanes: default, reports\n"), "{status}");
    let dump = give(&path, "dump").unwrap();
    for part in [
        "a job holds a worker route=/reports/{year} lane=default phase=publishing age=",
        "a job waits route=- lane=default age=",
        "runtime: no thread ran a task within 20ms: all of them are busy or stuck\n",
    ] {
        assert!(dump.contains(part), "{part} in {dump}");
    }
    drop(stuck);
    gate.open();
    runtime.block_on(async {
        job.await.unwrap().unwrap();
        waits.await.unwrap().unwrap();
        assert_quiet(pool.ledger()).await;
    });
    drop(console);
    assert!(!path.exists());
}

/// A middleware blocks, which nothing at the edge may do.
#[test]
fn a_dump_names_the_route_that_keeps_a_thread_of_the_runtime() {
    let (_folder, path) = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("runtime")
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let app = Router::new().fallback(move |request: axum::extract::Request| async move {
        let times = request.extensions().get::<Times>().unwrap();
        times.belongs_to(&Route::new("/reports/{year}"));
        let _ = released.lock().unwrap().recv();
    });
    let slowest = Slowest::new();
    let polls = Polls::new();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = Server::new().listen(listener);
    let server = server.slowest(&slowest).polls(&polls);
    let serving = runtime.spawn(server.serve(app, shutdown.clone()));
    let admin = Admin::for_ledger(Ledger::new(), Readiness::new(&shutdown)).polls(&polls);
    let _console = admin.console(&path, None).unwrap();
    assert!(!give(&path, "dump").unwrap().contains("has polled"));
    let mut peer = std::net::TcpStream::connect(address).unwrap();
    peer.write_all(b"POST /reports/2026 HTTP/1.0\r\n\r\n")
        .unwrap();
    let line = "thread runtime has polled POST route=/reports/{year} for ";
    let is_named = || give(&path, "dump").unwrap().contains(line);
    runtime.block_on(eventually("the route is named", is_named));
    drop(release);
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(!give(&path, "dump").unwrap().contains("has polled"));
    shutdown.drain_at_once();
    runtime.block_on(serving).unwrap();
}

#[test]
fn commands_change_the_pool_and_errors_say_what_to_do() {
    let (_folder, path) = folder();
    let pool = Pool::builder(()).connections(2).lane("reports", 1).build();
    let admin = Admin::new(&pool)
        .verb("echo WORD...", "repeat words", |words| Ok(words.join("+")))
        .verb("panic", "panic", |_| panic!("as told"));
    let _console = admin.console(&path, None).unwrap();
    assert_eq!(give(&path, "resize 5").unwrap(), "at most 5 connections\n");
    assert_eq!(pool.status().cap, 5);
    assert_eq!(give(&path, " echo  a b ").unwrap(), "a+b\n");
    let help = give(&path, "help").unwrap();
    for line in [
        "resize N ",
        "restrict LANE N ",
        "dump ",
        "status ",
        "echo WORD... ",
    ] {
        assert!(help.lines().any(|known| known.starts_with(line)), "{help}");
    }
    for (line, error) in [
        ("", "there is no command: see help"),
        ("size 3", "there is no command size: see help"),
        ("resize", "the arguments are missing: resize N"),
        ("panic", "the command panicked"),
        ("resize 0", "0 is not a number from 1 to 4096"),
        ("resize many", "many is not a number from 1 to 4096"),
        (
            "restrict reports",
            "the arguments are missing: restrict LANE N",
        ),
        ("resize 3 4", "there are too many arguments: resize N"),
        ("status now", "there are too many arguments: status"),
        ("panic now", "there are too many arguments: panic"),
        ("echo", "the arguments are missing: echo WORD..."),
        (
            "restrict report 2",
            "the pool has no lane \"report\": name one that it was built with",
        ),
        ("GET / HTTP/1.1", "there is no command GET: see help"),
    ] {
        assert_eq!(give(&path, line), Err(error.to_owned()), "{line}");
    }
    assert_eq!(pool.status().cap, 5);
}

#[test]
fn console_is_for_this_user_and_is_not_held_by_silent_clients() {
    let (_folder, path) = folder();
    let console = Console::start(&path, Commands::new(), None).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let silent = UnixStream::connect(&path).unwrap();
    let mut endless = UnixStream::connect(&path).unwrap();
    // The console may close the socket before all of it is written.
    let _ = endless.write_all(&[b'a'; 10_000]);
    assert_eq!(give(&path, "help").unwrap(), "");
    let mut rest = Vec::new();
    let _ = endless.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    drop(silent);
    drop(console);
    assert!(!path.exists());
    assert!(UnixStream::connect(&path).is_err());
}

/// A console that answers slowly, but without a pause that is longer than the client's patience.
#[test]
fn patience_of_a_command_is_for_all_of_its_answer() {
    const PAUSE: Duration = Duration::from_millis(10);
    let (_folder, path) = folder();
    let listener = UnixListener::bind(&path).unwrap();
    let answers = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(PAUSE)).unwrap();
        let begin = Instant::now();
        while client.write_all(b"o").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "the client waits on");
            let _ = client.read(&mut [0; 64]);
        }
    });
    let error = command(&path, "help", 10 * PAUSE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    answers.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn console_whose_queue_is_full_is_reported_at_once() {
    let (_folder, path) = folder();
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waits = UnixStream::connect(&path).unwrap();
    let (sender, receiver) = channel();
    let given = path.clone();
    std::thread::spawn(move || sender.send(command(given, "help", PATIENCE)));
    let error = receiver.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "it does not answer");
}

#[tokio::test]
async fn pages_accept_no_commands() {
    let pool = Pool::new((), 2);
    let mut admin = Admin::new(&pool);
    for (method, path, status) in [
        (Method::POST, "/status", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/resize?N=8", StatusCode::NOT_FOUND),
        (Method::GET, "/resize/8", StatusCode::NOT_FOUND),
    ] {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body("resize 8\n").unwrap();
        assert_eq!(admin.call(request).await.unwrap().status(), status);
    }
    assert_eq!(pool.status().cap, 2);
}
