//! Tests with real processes: this program is started again, runs [`child`], and behaves as a file
//! says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use euryale_test::{Log, eventually};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::{ChildStatus, Children, Supervisor, first_step, is_child};
use crate::Shutdown;

const PATIENCE: Duration = Duration::from_secs(20);
/// The variable with the path of the file that determines how children behave.
const ACTS: &str = "ACTS";

/// This is the program of the children and not a test.
#[test]
#[ignore = "the program of the children"]
fn child() {
    let Some(acts) = std::env::var_os(ACTS).map(PathBuf::from) else {
        return;
    };
    first_step().unwrap();
    assert_eq!(
        std::env::var("LISTEN_PID").unwrap(),
        std::process::id().to_string()
    );
    assert!(is_child());
    let act = fs::read_to_string(&acts).unwrap();
    if act == "start another program" {
        let mut other = Command::new(std::env::current_exe().unwrap());
        other.args(["supervise::tests::other_program", "--exact", "--ignored"]);
        assert!(other.status().unwrap().success());
    }
    if let Some(code) = act.strip_prefix("exit ") {
        std::process::exit(code.parse().unwrap());
    }
    // It drains at the first signal, forever, and ends at the second.
    let terminate = (act == "drain forever").then(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate()).unwrap();
        drop(entered);
        (runtime, terminate)
    });
    if act != "hang" {
        let to = std::env::var_os("NOTIFY_SOCKET").unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(b"READY=1\nSTATUS=serves\n", to).unwrap();
    }
    if act == "fall silent" {
        let to = std::env::var_os("NOTIFY_SOCKET").unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        assert_eq!(std::env::var("WATCHDOG_USEC").unwrap(), "50000");
        socket.send_to(b"WATCHDOG=1\n", to).unwrap();
    }
    if act == "report often" {
        let to = std::env::var_os("NOTIFY_SOCKET").unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        // More than the kernel keeps (`net.unix.max_dgram_qlen`).
        for _ in 0..5000 {
            // It fails when the parent has ended.
            let _ = socket.send_to(b"STATUS=serves\n", &to);
        }
    }
    if act == "die" || act == "report often" {
        std::process::exit(7);
    }
    if let Some((runtime, mut terminate)) = terminate {
        runtime.block_on(terminate.recv());
        fs::write(acts.with_file_name("drains"), "").unwrap();
        runtime.block_on(terminate.recv());
        std::process::exit(0);
    }
    // Waits until the parent has ended, or for a signal.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

/// A parent in this process.
struct Parent {
    folder: TempDir,
    children: Children,
    shutdown: Shutdown,
    running: JoinHandle<std::io::Result<bool>>,
    log: Log,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Parent {
    fn start(processes: usize, act: &str) -> Self {
        Self::with(act, |supervisor| supervisor.processes(processes))
    }

    fn with(act: &str, set: impl FnOnce(Supervisor) -> Supervisor) -> Self {
        let (log, subscriber) = Log::of_thread();
        let folder = tempfile::tempdir().unwrap();
        let acts = folder.path().join("acts");
        let mut program = Command::new(std::env::current_exe().unwrap());
        program
            .args([
                "supervise::tests::child",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(ACTS, &acts);
        fs::write(&acts, act).unwrap();
        let supervisor = set(Supervisor::new(program));
        let children = supervisor.children();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(supervisor.run(shutdown.clone()));
        Self {
            folder,
            children,
            shutdown,
            running,
            log,
            _subscriber: subscriber,
        }
    }

    /// Sets how children behave from now on.
    fn act(&self, act: &str) {
        // The file is replaced in one step, because a child may be reading it.
        let new = self.folder.path().join("new");
        fs::write(&new, act).unwrap();
        fs::rename(new, self.folder.path().join("acts")).unwrap();
    }

    async fn until(&self, is_so: impl FnMut(&[ChildStatus]) -> bool) -> Vec<ChildStatus> {
        let until = tokio::time::timeout(PATIENCE, self.children.until(is_so));
        if until.await.is_err() {
            panic!("{:?}\n{}", self.children.list(), self.log.text());
        }
        self.children.list()
    }

    async fn serves(&self, processes: usize) -> Vec<ChildStatus> {
        let all = |list: &[ChildStatus]| {
            list.len() == processes && list.iter().all(|child| child.is_ready)
        };
        self.until(all).await
    }

    async fn logs(&self, words: &str) {
        let begin = Instant::now();
        while self.log.count(words) == 0 {
            assert!(begin.elapsed() < PATIENCE, "{words}\n{}", self.log.text());
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> (std::io::Result<bool>, Log) {
        self.shutdown.drain();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        (ended.unwrap().unwrap(), self.log)
    }
}

fn pids(list: &[ChildStatus]) -> Vec<u32> {
    list.iter().map(|child| child.pid).collect()
}

fn kill(child: &ChildStatus) {
    let pid = Pid::from_raw(child.pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// This is a program that a child starts, and not a test.
#[test]
#[ignore = "a program that a child starts"]
fn other_program() {
    assert!(!is_child());
    assert_eq!(super::console_path(), None);
    let to = std::env::var_os("NOTIFY_SOCKET").unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"STOPPING=1\n", to).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn programs_that_a_child_starts_report_nothing_for_it() {
    let silence = Duration::from_millis(50);
    let parent = Parent::with("start another program", |supervisor| {
        supervisor.watchdog(silence)
    });
    // If it had reported that it stops, its watchdog would be off.
    parent
        .logs("a child does not feed its watchdog; ending it")
        .await;
    parent.end().await.0.unwrap();
}

/// Only the very first child has a single try.
#[tokio::test]
async fn start_survives_the_death_of_a_child_that_was_ready() {
    let parent = Parent::start(2, "die");
    parent.logs("pause=Some(100ms)").await;
    parent.act("exit 3");
    parent.logs("a child did not start; trying again").await;
    parent.act("serve");
    parent.serves(2).await;
    parent.end().await.0.unwrap();
}

#[tokio::test]
async fn each_place_has_a_child_and_a_roll_replaces_all() {
    let parent = Parent::start(3, "serve");
    let old = parent.serves(3).await;
    let places: Vec<_> = old.iter().map(|child| child.process).collect();
    assert_eq!(places, [1, 2, 3]);
    parent.children.roll();
    parent.logs("all children have been replaced").await;
    let new = parent.serves(3).await;
    assert!(pids(&new).iter().all(|pid| !pids(&old).contains(pid)));
    let (ended, log) = parent.end().await;
    // The children of this test have no handler for SIGTERM.
    assert!(!ended.unwrap(), "{}", log.text());
    assert_eq!(log.count("ERROR"), 0, "{}", log.text());
}

#[tokio::test]
async fn child_that_is_killed_is_replaced_within_a_second() {
    let parent = Parent::start(2, "serve");
    let old = parent.serves(2).await;
    kill(&old[0]);
    let begin = Instant::now();
    let pid = old[0].pid;
    parent
        .until(|list| pids(list).iter().all(|other| *other != pid))
        .await;
    let new = parent.serves(2).await;
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        new.iter().filter(|child| child.pid == old[1].pid).count(),
        1
    );
    parent.end().await.0.unwrap();
}

/// Otherwise a broken child would be restarted as fast as the machine permits.
#[tokio::test]
async fn child_that_dies_once_it_is_ready_is_restarted_with_growing_pauses() {
    let parent = Parent::start(1, "serve");
    let old = parent.serves(1).await;
    parent.act("die");
    kill(&old[0]);
    for pause in ["100ms", "200ms", "400ms"] {
        parent.logs(&format!("pause=Some({pause})")).await;
    }
    parent.act("serve");
    parent.serves(1).await;
    let (_, log) = parent.end().await;
    assert_eq!(log.count("exit status: 7"), 2, "{}", log.text());
}

#[tokio::test]
async fn roll_and_other_deaths_do_not_wait_for_a_place_that_cannot_start() {
    let parent = Parent::start(2, "serve");
    let old = parent.serves(2).await;
    parent.act("exit 3");
    kill(&old[0]);
    // At this point the pauses are long.
    parent.logs("pause=1.6s").await;
    let begin = Instant::now();
    parent.act("serve");
    parent.children.roll();
    parent.logs("all children have been replaced").await;
    assert!(
        begin.elapsed() < Duration::from_millis(1600),
        "{:?}",
        begin.elapsed()
    );
    let new = parent.serves(2).await;
    assert!(pids(&new).iter().all(|pid| !pids(&old).contains(pid)));
    parent.end().await.0.unwrap();
}

#[tokio::test]
async fn three_deaths_stop_a_roll_and_the_old_children_stay() {
    let parent = Parent::start(2, "serve");
    let old = parent.serves(2).await;
    parent.act("exit 3");
    parent.children.roll();
    parent.logs("the roll stops; old children serve on").await;
    assert_eq!(pids(&parent.serves(2).await), pids(&old));
    // The next roll works again.
    parent.act("serve");
    parent.children.roll();
    parent.logs("all children have been replaced").await;
    let (_, log) = parent.end().await;
    let text = log.text();
    let why = "ended before it was ready, with exit status: 3";
    assert_eq!(text.matches(why).count(), 3, "{text}");
    assert_eq!(text.matches("ERROR").count(), 1, "{text}");
}

#[tokio::test]
async fn parent_fails_with_the_exit_status_if_its_first_child_cannot_start() {
    let parent = Parent::start(2, "exit 5");
    let ended = tokio::time::timeout(PATIENCE, parent.running).await;
    let error = ended.unwrap().unwrap().unwrap_err().to_string();
    assert!(
        error.ends_with("ended before it was ready, with exit status: 5"),
        "{error}"
    );
}

#[tokio::test]
async fn child_that_is_never_ready_is_killed() {
    let limit = Duration::from_millis(50);
    let parent = Parent::with("hang", |supervisor| supervisor.ready_within(limit));
    let ended = tokio::time::timeout(PATIENCE, parent.running).await;
    let error = ended.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains("was not ready within"), "{error}");
}

#[tokio::test]
async fn child_that_falls_silent_is_replaced() {
    let silence = Duration::from_millis(50);
    let parent = Parent::with("fall silent", |supervisor| supervisor.watchdog(silence));
    let old = parent.serves(1).await;
    parent
        .logs("a child does not feed its watchdog; ending it")
        .await;
    parent.logs("signal: 6 (SIGABRT)").await;
    parent.until(|list| pids(list) != pids(&old)).await;
    parent.end().await.0.unwrap();
}

/// `sd_notify(3)` blocks while the socket of the parent is full.
#[tokio::test]
async fn child_may_report_as_often_as_it_likes() {
    let parent = Parent::start(1, "report often");
    parent.logs("exit status: 7").await;
    parent.end().await.0.unwrap();
}

#[tokio::test]
async fn second_signal_also_ends_children_that_drain_after_a_roll() {
    let parent = Parent::start(1, "drain forever");
    parent.serves(1).await;
    parent.act("serve");
    parent.children.roll();
    parent.logs("all children have been replaced").await;
    let drains = parent.folder.path().join("drains");
    eventually("the old child drains", || drains.exists()).await;
    parent.shutdown.cut();
    parent.end().await.0.unwrap();
}

/// A roll that a drain interrupts has not failed.
#[tokio::test]
async fn drain_during_a_roll_is_not_an_error() {
    let parent = Parent::start(1, "serve");
    parent.serves(1).await;
    parent.act("hang");
    parent.children.roll();
    parent
        .until(|list| list.iter().any(|child| !child.is_ready))
        .await;
    let (ended, log) = parent.end().await;
    ended.unwrap();
    assert_eq!(log.count("ERROR"), 0, "{}", log.text());
    assert_eq!(log.count("WARN"), 0, "{}", log.text());
}

#[tokio::test]
async fn private_sockets_are_this_users_alone_and_leave_no_file() {
    let parent = Parent::with("serve", |supervisor| {
        supervisor.processes(2).private_socket("operators")
    });
    let sockets: Vec<PathBuf> = parent
        .serves(2)
        .await
        .into_iter()
        .filter_map(|child| child.socket)
        .collect();
    assert_eq!(sockets.len(), 2);
    for socket in &sockets {
        tokio::net::UnixStream::connect(socket).await.unwrap();
        let folder = socket.parent().unwrap();
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    parent.end().await.0.unwrap();
    let folder: &Path = sockets[0].parent().unwrap();
    assert!(!folder.exists());
}

/// A parent may be killed after it has made the socket of a child that it never starts.
#[test]
fn child_of_a_killed_parent_removes_the_sockets_of_all_children() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("euryale-1");
    std::fs::create_dir(&directory).unwrap();
    let notice = directory.join("1");
    let bind = |name: &str| std::os::unix::net::UnixListener::bind(directory.join(name)).unwrap();
    let _sockets = ["1", "1.console", "2", "2.private"].map(bind);
    std::fs::write(directory.join("file"), "").unwrap();
    super::child::remove_directory(&notice);
    let left = std::fs::read_dir(&directory).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["file"], "nobody but its owner removes another file");
    std::fs::remove_file(directory.join("file")).unwrap();
    super::child::remove_directory(&notice);
    assert!(!directory.exists());
}
