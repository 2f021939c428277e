//! Programs that attack servers, against the site: it answers the whole time, and nothing is left
//! afterwards.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::{PATIENCE, Running, eventually, exit_code, get, give_up, program};

/// Runs the program against the site while other requests ask for pages, none of which may be
/// answered `late`. Returns the program's output, or `None` if it is not installed.
fn attacked(site: &Running, name: &str, arguments: &[&str], late: Duration) -> Option<String> {
    let child = match program(name)
        .args(arguments)
        .env_remove("http_proxy")
        .spawn()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            euryale_test::skip(&format!("{name} is not installed"));
            return None;
        }
        child => child.unwrap(),
    };
    let mut attack = Attack(child);
    let said = said(&mut attack.0);
    let mut pages = 0;
    let mut slowest = Duration::ZERO;
    while attack.0.try_wait().unwrap().is_none() {
        let began = Instant::now();
        let page = get(site.public[0], "/history").unwrap();
        assert!(
            page.starts_with("HTTP/1.1 200 "),
            "after {pages} pages: {page}"
        );
        (pages, slowest) = (pages + 1, slowest.max(began.elapsed()));
    }
    let said = said.join().unwrap();
    assert_eq!(exit_code(&mut attack.0), Some(0), "{said}");
    assert!(
        pages > 0 && slowest < late,
        "{pages} pages, one of them after {slowest:?}"
    );
    Some(said)
}

/// Ends with the test.
struct Attack(Child);

impl Drop for Attack {
    fn drop(&mut self) {
        give_up(&mut self.0);
    }
}

/// Its output, without colours, read while it runs.
fn said(child: &mut Child) -> std::thread::JoinHandle<String> {
    let mut stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        stdout.read_to_end(&mut said).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut parts = said.split('\x1b');
        let first = parts.next().unwrap_or_default().to_owned();
        first
            + &parts
                .filter_map(|part| part.split_once(['m', 'H', 'J']))
                .map(|part| part.1)
                .collect::<String>()
    })
}

/// No socket and no worker is in use, no file is open, and the site ends normally.
fn nothing_is_left(site: Running) {
    site.counts("euryale_sockets_open", 0);
    for gauge in [
        "connections_in_use",
        "publishers_running",
        "queue_depth",
        "spool_files",
        "blobs_open",
    ] {
        site.counts(&format!("euryale_{gauge}"), 0);
    }
    site.end_well();
}

/// slowhttptest for six seconds, with 300 sockets and a time limit of two seconds for each step.
fn slow(data: &Path, mode: &str, path: &str, more: &[&str]) -> Option<(Running, String)> {
    let limits = [
        "--head-timeout=2s",
        "--body-timeout=2s",
        "--write-timeout=2s",
    ];
    let site = Running::start(data, &limits);
    let url = format!("http://{}{path}", site.public[0]);
    let common = [
        mode, "-c", "300", "-r", "300", "-l", "6", "-p", "5", "-u", &url,
    ];
    let said = attacked(
        &site,
        "slowhttptest",
        &[&common, more].concat(),
        Duration::from_secs(5),
    )?;
    assert!(said.contains("service available:"), "{said}");
    let answers = said.split("service available:").skip(1);
    assert!(
        answers
            .clone()
            .all(|answer| answer.trim_start().starts_with("YES")),
        "{said}"
    );
    Some((site, said))
}

/// Closed for this reason. Not all 300: slowhttptest ends when it has no open socket, and on a busy
/// machine that may be before it has opened the last one.
fn were_closed(site: &Running, reason: &str) {
    let metric = format!("euryale_sockets_closed_total{{reason=\"{reason}\"}}");
    eventually(&metric, || site.metric(&metric) >= 100);
}

#[test]
fn slow_heads() {
    let folder = tempfile::tempdir().unwrap();
    let Some((site, said)) = slow(folder.path(), "-H", "/history", &["-i", "1"]) else {
        return;
    };
    assert!(said.contains("No open connections left"), "{said}");
    were_closed(&site, "head_elapsed");
    nothing_is_left(site);
}

#[test]
fn slow_bodies() {
    // A followup every five seconds: each socket has been stopped before the next one.
    let folder = tempfile::tempdir().unwrap();
    let Some((site, _)) = slow(folder.path(), "-B", "/@@counter", &["-i", "5"]) else {
        return;
    };
    were_closed(&site, "body_elapsed");
    nothing_is_left(site);
}

#[test]
fn slow_readers() {
    let window = ["-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"];
    let folder = tempfile::tempdir().unwrap();
    let Some((site, _)) = slow(folder.path(), "-X", "/pictures/chord.wav", &window) else {
        return;
    };
    nothing_is_left(site);
}

/// A thousand requests at a time wait for a worker, with a page behind them.
#[test]
fn ten_thousand_streams() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &["--max-queue=2000"]);
    let url = format!("http://{}/@@slow?ms=0", site.public[0]);
    let flags = ["-n", "10000", "-c", "10", "-m", "100", &url];
    let Some(said) = attacked(&site, "h2load", &flags, PATIENCE) else {
        return;
    };
    assert!(
        said.contains("10000 done, 10000 succeeded, 0 failed, 0 errored, 0 timeout"),
        "{said}"
    );
    assert!(said.contains("status codes: 10000 2xx"), "{said}");
    nothing_is_left(site);
}
