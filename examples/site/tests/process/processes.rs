//! Several processes behind one parent: one address, one operators' address, and rolls.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::agent::check;
use super::clients::printed;
use super::edge::{certify, over_tls};
use super::peer::Peer;
use super::websocket::Socket;
use super::{Running, ended, eventually, get};

impl Running {
    /// The process ids of the children that serve.
    pub(super) fn children(&self) -> BTreeSet<i32> {
        let status = get(self.admin, "/status.json").unwrap();
        let pids = status.split("\"pid\":").skip(1);
        let number = |rest: &str| {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap();
            rest[..digits].parse().unwrap()
        };
        pids.map(number).collect()
    }

    /// Replaces all children, and waits until none of the old ones serves.
    pub(super) fn roll(&self) {
        const ROLLED: &str = "all children have been replaced";
        let count = || self.said().matches(ROLLED).count();
        let rolls = count();
        self.signal("-HUP");
        eventually(ROLLED, || count() > rolls);
    }

    /// Kills a child, and waits until another one serves in its place. Returns the time for that,
    /// which is a quarter of a second on an idle machine.
    pub(super) fn kill_child(&self) -> Duration {
        let victim = *self.children().first().unwrap();
        kill(victim);
        let begin = Instant::now();
        eventually("two children serve", || {
            let now = self.children();
            now.len() == 2 && !now.contains(&victim)
        });
        let time = begin.elapsed();
        // One second is the aim.
        assert!(time < Duration::from_secs(5), "{time:?}");
        time
    }
}

pub(super) fn is_alive(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

fn kill(pid: i32) {
    send_signal(pid, Signal::KILL);
}

fn send_signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn operators_see_all_processes_at_one_address() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2", "--agent=127.0.0.1:0"]);
    let together = "2 processes with 2 connections each, 4 in all";
    assert!(site.greeting.contains(together), "{}", site.greeting);
    // The parent has bound what the settings say, so the site is as local as without it.
    assert!(
        get(site.public[0], "/?new")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let metrics = get(site.admin, "/metrics").unwrap();
    for process in 1..=2 {
        let series = format!("\neuryale_publishers_running{{process=\"{process}\"}} ");
        assert!(metrics.contains(&series), "{metrics}");
        let path = format!("/process/{process}/status");
        assert!(get(site.admin, &path).unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(
        metrics
            .matches("# TYPE euryale_publishers_running ")
            .count(),
        1
    );
    let status = get(site.admin, "/status").unwrap();
    assert!(status.contains(together), "{status}");
    for (path, word) in [("/livez", "live\n"), ("/readyz", "ready\n")] {
        assert!(get(site.admin, path).unwrap().ends_with(word));
    }
    let agent = site.agent.unwrap();
    eventually("both are free", || {
        check(agent).starts_with("up ready 100% maxconn:")
    });
    assert!(
        get(site.admin, "/process/3/status")
            .unwrap()
            .starts_with("HTTP/1.1 404")
    );
    let said = site.end_well();
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn download_and_websocket_end_complete_through_a_roll() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    let (_, chord) = site.chord();
    let mut download = super::send(site.public[0], "/pictures/chord.wav").unwrap();
    let mut got = vec![0; 1 << 20];
    download.read_exact(&mut got).unwrap();
    let mut socket = Socket::open(&site, "");
    site.roll();
    assert_eq!(socket.hear_close(), Some(1001));
    download.read_to_end(&mut got).unwrap();
    let head = got
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    assert!(got[head + 4..] == chord, "the download is byte-exact");
    site.end_well();
}

#[test]
fn deferred_answers_are_complete_through_a_roll() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    let waits: Vec<_> = ["blocking", "async"]
        .into_iter()
        .map(|kind| {
            let path = format!("/@@deferred?ms=1500&kind={kind}");
            super::send(site.public[0], &path).unwrap()
        })
        .collect();
    let running = || site.metric_by_process("euryale_deferred_running");
    eventually("both are computed", || running().iter().sum::<usize>() == 2);
    let old = site.children();
    site.roll();
    assert!(site.children().is_disjoint(&old));
    for wait in waits {
        let answer = super::rest(wait).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("OK"), "{answer}");
    }
    site.end_well();
}

#[test]
fn unix_sockets_and_tls_work_through_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let [cert_flag, key_flag] = certify(folder.path());
    let path = |name: &str| folder.path().join(name);
    let [unix, cert] = ["site.sock", "cert.pem"].map(path);
    let flags = [
        "--processes=2".to_owned(),
        "--listen=tls:127.0.0.1:0".to_owned(),
        format!("--listen=unix:{}", unix.display()),
        cert_flag,
        key_flag,
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let site = Running::start(&path("data"), &flags);
    site.roll();
    let mut peer = UnixStream::connect(&unix).unwrap();
    peer.write_all(b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    if let Some(output) = over_tls(&site, &cert) {
        assert_eq!(printed(output), "200 2");
    }
    site.end_well();
    assert!(!unix.exists(), "the parent removes its socket");
}

/// Sends a request for the demonstration that shows the visitor, and returns the whole answer.
fn visit(mut peer: impl Read + Write, before: &str) -> String {
    let request = "GET /@@visitor HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    peer.write_all(format!("{before}{request}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}

/// Each listener of a child is the parent's by its name, so a mix-up would show here.
#[test]
fn all_listeners_keep_their_rules_through_a_roll() {
    let folder = tempfile::tempdir().unwrap();
    let [cert_flag, key_flag] = certify(folder.path());
    let path = |name: &str| folder.path().join(name);
    let [unix, cert] = ["site.sock", "cert.pem"].map(path);
    let flags = [
        "--processes=2".to_owned(),
        format!("--listen=unix:{}", unix.display()),
        "--listen=127.0.0.1:0".to_owned(),
        "--listen=tls:127.0.0.1:0".to_owned(),
        cert_flag,
        key_flag,
        "--proxy-protocol=unix".to_owned(),
        "--demo".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let site = Running::start(&path("data"), &flags);
    let tcp: Vec<_> = site
        .greeting
        .split(' ')
        .filter_map(|word| word.trim_end_matches([',', '/']).strip_prefix("http://"))
        .filter_map(|address| address.parse::<std::net::SocketAddr>().ok())
        .filter(|address| *address != site.admin)
        .collect();
    assert_eq!(tcp.len(), 2, "{}", site.greeting);
    let header = "PROXY TCP4 192.0.2.7 127.0.0.1 4000 80\r\n";
    for has_rolled in [false, true] {
        if has_rolled {
            site.roll();
        }
        // More often than there are processes.
        for _ in 0..4 {
            for address in &tcp {
                let connect = || TcpStream::connect(address).unwrap();
                let answer = visit(connect(), "");
                assert!(answer.contains("\"client\":\"127.0.0.1\""), "{answer}");
                let refused = visit(connect(), header);
                assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
            }
            let answer = visit(UnixStream::connect(&unix).unwrap(), header);
            assert!(answer.contains("\"client\":\"192.0.2.7\""), "{answer}");
            if let Some(output) = over_tls(&site, &cert) {
                assert_eq!(printed(output), "200 2");
            }
        }
    }
    site.end_well();
}

/// Returns whether the site takes the client that a peer reports.
fn is_believed(mut peer: impl Read + Write) -> bool {
    let request = "GET /@@visitor HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        x-forwarded-for: 192.0.2.7\r\n\r\n";
    peer.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer.contains("\"client\":\"192.0.2.7\"")
}

#[test]
fn trusted_peers_count_through_a_roll_and_a_new_list_counts_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let config = path("site.toml");
    let trust = |peers: &str| {
        let text = format!("demo = true\ntrusted-proxy = [{peers}]\n");
        std::fs::write(&config, text).unwrap();
    };
    trust("\"127.0.0.1\", \"unix\"");
    let unix = path("site.sock");
    let flags = [
        "--processes=2".to_owned(),
        format!("--config={}", config.display()),
        "--listen=127.0.0.1:0".to_owned(),
        format!("--listen=unix:{}", unix.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let site = Running::start(&path("data"), &flags);
    // More often than there are processes.
    let ask = || {
        let tcp = (0..4).map(|_| is_believed(TcpStream::connect(site.public[0]).unwrap()));
        let unix = (0..4).map(|_| is_believed(UnixStream::connect(&unix).unwrap()));
        [tcp.collect::<BTreeSet<_>>(), unix.collect()]
    };
    let yes = BTreeSet::from([true]);
    let no = BTreeSet::from([false]);
    assert_eq!(ask(), [yes.clone(), yes.clone()]);
    site.roll();
    assert_eq!(ask(), [yes.clone(), yes.clone()]);
    trust("\"unix\"");
    let old = site.children();
    site.roll();
    eventually("the old children have ended", || {
        !old.iter().any(|pid| is_alive(*pid))
    });
    assert_eq!(ask(), [no, yes]);
    site.end_well();
}

#[cfg(target_os = "linux")]
#[test]
fn kept_sockets_are_spread_evenly_over_processes_and_after_a_roll() {
    const CLIENTS: usize = 64;
    const PROCESSES: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--processes=4",
        "--lame-duck=0s",
        "--max-sockets-per-peer=100",
    ];
    let site = Running::start(folder.path(), &flags);
    for has_rolled in [false, true] {
        if has_rolled {
            let old = site.children();
            site.roll();
            // Until they have received their signal, they still accept.
            eventually("the old children have ended", || {
                !old.iter().any(|pid| is_alive(*pid))
            });
        }
        let mut peers: Vec<_> = (0..CLIENTS)
            .map(|_| Peer::connect(site.public[0]).unwrap())
            .collect();
        for peer in &mut peers {
            assert_eq!(peer.get("/robots.txt").unwrap().status, 200);
        }
        let mut sockets = Vec::new();
        eventually("all sockets are counted", || {
            sockets = site.metric_by_process("euryale_sockets_open");
            sockets.iter().sum::<usize>() == CLIENTS
        });
        println!("{sockets:?}");
        assert_eq!(sockets.len(), PROCESSES);
        let most = 2 * CLIENTS / PROCESSES;
        assert!(sockets.iter().all(|count| *count <= most), "{sockets:?}");
    }
    site.end_well();
}

/// Until one thread has received the signal, the others may still accept.
#[cfg(target_os = "linux")]
fn is_stopped(pid: i32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
        // The state follows the name, which is in parentheses.
        stat.is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" T "))
    };
    tasks.into_iter().all(is_stopped)
}

#[cfg(target_os = "linux")]
#[test]
fn new_sockets_of_a_process_that_is_stuck_go_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    let stuck = *site.children().first().unwrap();
    send_signal(stuck, Signal::STOP);
    eventually("all its threads are stopped", || is_stopped(stuck));
    for _ in 0..10 {
        let answer = get(site.public[0], "/robots.txt").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    send_signal(stuck, Signal::CONT);
    assert_eq!(site.children().len(), 2);
    site.end_well();
}

#[cfg(target_os = "linux")]
#[test]
fn operators_do_not_wait_for_a_process_that_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=3"]);
    let stuck = *site.children().first().unwrap();
    send_signal(stuck, Signal::STOP);
    eventually("all its threads are stopped", || is_stopped(stuck));
    let ask = |_| {
        let begin = Instant::now();
        let answer = get(site.admin, "/readyz").unwrap();
        assert!(answer.ends_with("ready\n"), "{answer}");
        begin.elapsed()
    };
    let fastest = (0..3).map(ask).min().unwrap();
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    assert_eq!(site.children().len(), 2);
    send_signal(stuck, Signal::CONT);
    eventually("it answers again", || site.children().len() == 3);
    site.end_well();
}

#[test]
fn child_that_is_killed_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    println!("back after {:?}", site.kill_child());
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    site.end_well();
}

#[test]
fn children_of_a_parent_that_is_killed_drain_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Running::start(folder.path(), &["--processes=2"]);
    let children = site.children();
    let slow = super::send(site.public[0], "/@@slow?ms=500").unwrap();
    eventually("a child works", || {
        get(site.admin, "/metrics")
            .unwrap()
            .lines()
            .any(|line| line.starts_with("euryale_publishers_running{") && line.ends_with(" 1"))
    });
    site.child.kill().unwrap();
    site.child.wait().unwrap();
    let answer = super::rest(slow).unwrap();
    assert!(answer.ends_with("worked for 500 ms\n"), "{answer}");
    eventually("no child is left", || {
        !children.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn broken_configuration_stops_a_roll_and_old_processes_serve_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(&file, "connections = 3\n").unwrap();
    let config = format!("--config={}", file.display());
    let site = Running::start(&folder.path().join("data"), &["--processes=2", &config]);
    let old = site.children();
    std::fs::write(&file, "conections = 3\n").unwrap();
    site.signal("-HUP");
    eventually("the roll stops", || site.said().contains("the roll stops"));
    assert_eq!(site.children(), old);
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let said = site.said();
    assert!(
        said.contains("error: there is no setting conections - "),
        "{said}"
    );
    assert!(
        said.contains("ended before it was ready, with exit status: 1"),
        "{said}"
    );
    std::fs::write(&file, "connections = 4\n").unwrap();
    site.roll();
    site.end_well();
}

#[test]
fn occupied_port_is_one_line_and_no_process_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let data_flag = format!("--data={}", text(&data));
    let output = ended(&["--processes=2", &listen, "--admin=127.0.0.1:0", &data_flag]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: the address is in use - "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!data.exists());
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
