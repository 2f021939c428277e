//! `site ctl`: commands at the Unix socket of a running site.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::peer::Peer;
use super::{Running, ended, eventually, get, send};

/// Standard output of a command that must succeed.
pub(super) fn give(console: &str, words: &[&str]) -> String {
    let output = ended(&[&["ctl", console], words].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that must fail.
fn fail(console: &str, words: &[&str]) -> String {
    let output = ended(&[&["ctl", console], words].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: "), "{said}");
    said
}

pub(super) fn flag(folder: &Path) -> String {
    format!("--console={}", folder.join("console").display())
}

#[test]
fn commands_work_while_every_worker_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let console = flag(folder.path());
    let site = Running::start(
        &folder.path().join("data"),
        &[
            "--connections=1",
            "--drain=50ms",
            "--log-filter=warn",
            &console,
        ],
    );
    let mode = folder
        .path()
        .join("console")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(site.slow(60_000));
    site.counts("euryale_sockets_open", 0);
    let waits = send(site.public[0], "/history").unwrap();
    site.counts("euryale_queue_depth", 1);

    let status = give(&console, &["status"]);
    for line in [
        "ready: yes",
        "workers: 1 of 1 busy, ",
        " jobs wait, the oldest for ",
    ] {
        assert!(status.contains(line), "{status}");
    }
    let mut dump = String::new();
    // A busy machine may need more than 20 ms for a task.
    eventually("all of it is in the dump", || {
        let parts = [
            "a job holds a worker route=/@@slow",
            "a job waits route=",
            "runtime: ran a task",
        ];
        dump = give(&console, &["dump"]);
        parts.iter().all(|part| dump.contains(part))
    });
    if cfg!(target_os = "linux") {
        assert!(
            dump.lines().any(|line| line.starts_with("thread ")),
            "{dump}"
        );
    }
    let help = give(&console, &[]);
    for name in [
        "drain", "dump", "log", "reload", "resize", "restrict", "roll", "status", "trace",
    ] {
        assert!(help.lines().any(|line| line.starts_with(name)), "{help}");
    }
    assert_eq!(
        give(&console, &["restrict", "uploads", "3"]),
        "at most 3 workers for uploads\n"
    );
    assert!(fail(&console, &["restrict", "loads", "3"]).contains("has no lane \"loads\""));
    assert!(fail(&console, &["roll"]).contains("--processes"));
    assert!(fail(&console, &["drain", "5m"]).contains("too many arguments: drain"));
    assert!(fail(&console, &["log", "site=loud"]).contains("cannot read the filter site=loud: "));
    for _ in 0..3 {
        let mut form = Peer::connect(site.admin).unwrap();
        assert_eq!(form.ask("POST", "/status", "").unwrap().status, 405);
    }
    // A second worker answers the request that waits.
    assert_eq!(give(&console, &["resize", "2"]), "at most 2 connections\n");
    assert!(super::rest(waits).unwrap().starts_with("HTTP/1.1 200"));

    get(site.public[0], "/history?quiet").unwrap();
    give(&console, &["log", "info"]);
    get(site.public[0], "/history?loud").unwrap();
    eventually("the request is logged", || {
        site.said().contains("GET /history?loud")
    });
    assert!(!site.said().contains("GET /history?quiet"));
    assert_eq!(
        give(&console, &["trace", "30s", "/@@slow"]),
        "tracing /@@slow for 30s: the log has the requests\n"
    );
    get(site.public[0], "/@@slow?ms=1").unwrap();
    let line = "request ended method=GET route=\"/@@slow\"";
    eventually("the request is traced", || site.said().contains(line));
    for time in ["0s", "601s", "1m", "soon"] {
        assert!(fail(&console, &["trace", time]).contains("is not a time from 1s to 600s"));
    }
    assert!(fail(&console, &["trace"]).contains("arguments are missing: trace TIME [ROUTE]"));
    // The settings apply again.
    give(&console, &["reload"]);
    eventually("it reloads", || {
        give(&console, &["status"]).contains("workers: 1 of 1 busy")
    });
    give(&console, &["drain"]);
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    let uid = rustix::process::getuid().as_raw();
    let line = format!("command given peer=uid {uid}, pid ");
    assert!(
        said.contains(&line) && said.contains("command=\"resize 2\""),
        "{said}"
    );
    let refused = "refused: commands are accepted only at a Unix socket";
    assert_eq!(said.matches(refused).count(), 1, "{said}");
    assert!(!folder.path().join("console").exists());
}

#[test]
fn commands_reach_all_processes_and_roll_them() {
    let folder = tempfile::tempdir().unwrap();
    let console = flag(folder.path());
    let site = Running::start(&folder.path().join("data"), &["--processes=2", &console]);
    give(&console, &["resize", "3"]);
    for process in 1..=2 {
        let path = format!("/process/{process}/metrics");
        let metrics = get(site.admin, &path).unwrap();
        assert!(
            metrics.contains("\neuryale_connections_cap 3\n"),
            "{metrics}"
        );
    }
    let status = give(&console, &["status"]);
    for part in ["process 1, pid ", "process 2, pid ", "workers: 0 of 3 busy"] {
        assert!(status.contains(part), "{status}");
    }
    assert!(fail(&console, &["restrict", "loads", "3"]).contains("process 2, pid "));
    let traced = give(&console, &["trace", "30s"]);
    assert_eq!(traced.matches("tracing all routes for 30s").count(), 2);
    give(&console, &["reload"]);
    eventually("both reload", || {
        site.said().matches("reloaded: no setting").count() == 2
    });
    // The filter of the parent, too, lasts until settings are read again.
    give(&console, &["log", "warn"]);
    give(&console, &["roll"]);
    eventually("it rolls", || {
        site.said().contains("all children have been replaced")
    });
    assert!(give(&console, &["status"]).contains("workers: 0 of 2 busy"));
    eventually("both run tasks", || {
        let dump = give(&console, &["dump"]);
        dump.matches("runtime: ran a task").count() == 2
    });
    give(&console, &["drain"]);
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
}

/// As in a container, where `ctl` gets the words of an operator behind `--`.
#[test]
fn variable_of_the_site_is_enough_for_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console");
    let with_console = |flags: &[&str]| {
        let mut command = super::site(flags);
        command.env("EURYALE_CONSOLE", &path);
        command
    };
    let site = Running::spawn(with_console(&[]), &folder.path().join("data"), &[]);
    let output = super::output(with_console(&["ctl", "--", "status"]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("ready: yes\n"), "{said}");
    site.end_well();
}

#[test]
fn wrong_sockets_are_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let console = flag(folder.path());
    assert!(fail(&console, &["status"]).contains("start it with --console"));
    let output = ended(&["ctl", "status"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("error: no socket for commands is set - "),
        "{said}"
    );
    let data = format!("--data={}", folder.path().join("data").display());
    for processes in [&[][..], &["--processes=2"]] {
        let flags = [
            "--listen=127.0.0.1:0",
            "--admin=127.0.0.1:0",
            &data,
            "--console=/",
        ];
        let output = ended(&[&flags, processes].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: cannot accept commands: "),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!folder.path().join("data").exists());
}
