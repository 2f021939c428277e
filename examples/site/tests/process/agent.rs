//! What balancers are told while no worker is free.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Running, get, send, site};

#[test]
fn balancers_are_answered_with_every_worker_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(
        folder.path(),
        &["--connections=2", "--agent=127.0.0.1:0", "--drain=0s"],
    );
    let agent = running.agent.unwrap();
    let check = || {
        let asked = Instant::now();
        let mut line = String::new();
        TcpStream::connect(agent)
            .unwrap()
            .read_to_string(&mut line)
            .unwrap();
        (asked.elapsed(), line)
    };
    assert_eq!(check().1, "up ready 100% maxconn:4\n");
    let stuck: Vec<_> = (0..3)
        .map(|_| send(running.public[0], "/@@slow?ms=60000").unwrap())
        .collect();
    running.counts("euryale_publishers_running", 2);
    running.counts("euryale_queue_depth", 1);
    let mut checks: Vec<(Duration, String)> = (0..21).map(|_| check()).collect();
    checks.sort();
    // Of many, because whatever else runs here has its turns, too.
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
            .starts_with("error: the site cannot be asked: ")
    );
}
