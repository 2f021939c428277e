//! Agent checks while workers are busy.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Running, between_looks, get, send, site};

/// The line of one agent check.
pub(super) fn check(agent: SocketAddr) -> String {
    let mut line = String::new();
    TcpStream::connect(agent)
        .unwrap()
        .read_to_string(&mut line)
        .unwrap();
    line
}

/// As often as HAProxy asks, and much more often.
#[test]
fn busy_workers_lower_the_weight_once_and_never_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--connections=2",
        "--agent=127.0.0.1:0",
        "--max-sockets=300",
    ];
    let running = Running::start(folder.path(), &flags);
    let agent = running.agent.unwrap();
    let mut told = vec![check(agent)];
    let slow: Vec<_> = (0..4)
        .map(|_| send(running.public[0], "/@@slow?ms=700").unwrap())
        .collect();
    let downloads: Vec<_> = (0..50)
        .map(|_| send(running.public[0], "/pictures/chord.wav").unwrap())
        .collect();
    let until = Instant::now() + super::PATIENCE;
    let is_over = |told: &[String]| told.len() > 2 && told[told.len() - 1] == told[0];
    while !is_over(&told) {
        assert!(Instant::now() < until, "{told:?}");
        let line = check(agent);
        if told.last() != Some(&line) {
            told.push(line);
        }
        between_looks();
    }
    assert_eq!(told[0], "up ready 100% maxconn:300\n");
    assert!(
        told.iter().all(|line| line.ends_with(" maxconn:300\n")),
        "{told:?}"
    );
    let full = told.iter().filter(|line| line.contains(" 1% "));
    assert_eq!(full.count(), 1, "{told:?}");
    drop((slow, downloads));
    running.end_well();
}

#[test]
fn balancers_are_answered_with_every_worker_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(
        folder.path(),
        &["--connections=2", "--agent=127.0.0.1:0", "--drain=0s"],
    );
    let agent = running.agent.unwrap();
    let timed = || {
        let asked = Instant::now();
        let line = check(agent);
        (asked.elapsed(), line)
    };
    assert!(check(agent).starts_with("up ready 100% "));
    let stuck: Vec<_> = (0..3)
        .map(|_| send(running.public[0], "/@@slow?ms=60000").unwrap())
        .collect();
    running.counts("euryale_publishers_running", 2);
    running.counts("euryale_queue_depth", 1);
    let mut checks: Vec<(Duration, String)> = (0..21).map(|_| timed()).collect();
    checks.sort();
    // The best of many, because other programs run here as well.
    assert!(checks[10].0 < Duration::from_millis(10), "{checks:?}");
    assert!(checks[10].1.starts_with("up ready "), "{checks:?}");
    assert!(
        get(running.admin, "/-/resume")
            .unwrap()
            .contains("\"standing\":\"ready\"")
    );
    let admin = format!("--admin={}", running.admin);
    assert_eq!(
        site(&["healthcheck", &admin])
            .output()
            .unwrap()
            .status
            .code(),
        Some(0)
    );
    running.signal("-TERM");
    drop(stuck);
    assert_eq!(running.end().0, Some(3));
    let nobody = site(&["healthcheck", &admin]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8(nobody.stderr)
            .unwrap()
            .starts_with("error: the site cannot be reached: ")
    );
}
