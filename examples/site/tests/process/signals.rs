//! SIGUSR1 and SIGUSR2: reports about hanging jobs, and rotated logs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::opening::{Opening, Pipe};
use super::{Running, ended, eventually, exit_code, get, send, signal, site};

#[test]
fn sigusr1_reports_holders_and_waiting_jobs_while_every_worker_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    // None of the requested lines is a warning.
    let site = Running::start(folder.path(), &["--connections=1", "--log-filter=warn"]);
    site.signal("-USR1");
    eventually("it says that nothing runs", || {
        site.said().contains("running=0 queued=0")
    });
    drop(site.slow(60_000));
    site.counts("euryale_sockets_open", 0);
    let waits = send(site.public[0], "/history").unwrap();
    site.counts("euryale_queue_depth", 1);
    site.signal("-USR1");
    let lines = [
        "running=1 queued=1",
        "a job holds a worker route=/@@slow",
        "a job waits route=",
    ];
    eventually("it reports", || {
        lines.iter().all(|line| site.said().contains(line))
    });
    let said = site.said();
    let line = |what: &str| said.lines().find(|line| line.contains(what)).unwrap();
    let holder = line("a job holds a worker");
    for part in [
        "lane=\"default\"",
        "phase=publishing",
        "age=",
        "abandoned=true",
    ] {
        assert!(holder.contains(part), "{holder}");
    }
    assert!(line("a job waits").contains("phase=queued"), "{said}");
    for line in lines {
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
    drop(waits);
}

#[test]
fn neither_signal_ends_the_process_at_the_start_or_in_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let mut opening = Opening::start(folder.path());
    for name in ["-USR1", "-USR2", "-USR1"] {
        signal(&opening.child, name);
        assert!(
            get(opening.admin, "/livez")
                .unwrap()
                .starts_with("HTTP/1.1 200")
        );
    }
    signal(&opening.child, "-TERM");
    assert_eq!(exit_code(&mut opening.child), Some(0));

    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    site.signal("-USR2");
    eventually("it says so", || {
        site.said().contains("there is no log file to reopen")
    });
    let slow = site.slow(60_000);
    site.signal("-TERM");
    eventually("it drains", || {
        get(site.admin, "/readyz")
            .unwrap()
            .starts_with("HTTP/1.1 503")
    });
    site.signal("-USR2");
    site.signal("-USR1");
    eventually("it reports", || {
        site.said().contains("a job holds a worker route=/@@slow")
    });
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    drop(slow);
}

#[test]
fn rotation_of_the_log_loses_no_line() {
    rotate("--log-file");
}

#[test]
fn rotation_of_the_access_log_loses_no_line() {
    rotate("--access-log");
}

/// As logrotate does it: renames the file and sends a signal.
fn rotate(flag: &str) {
    const ROTATIONS: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("site.log");
    let data = folder.path().join("data");
    let site = Running::start(&data, &[&format!("{flag}={}", log.display())]);
    let is_over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = get(site.public[0], &format!("/livez?number={asked}")).unwrap();
                assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
                asked += 1;
            }
            asked
        });
        let has_requests = |path: &Path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.matches("number=").count() >= 3
        };
        for number in 1..=ROTATIONS {
            let old = folder.path().join(format!("site.log.{number}"));
            eventually("requests are logged", || has_requests(&log));
            fs::rename(&log, &old).unwrap();
            // Requests continue in between, and their lines go to the old file.
            let before = fs::read_to_string(&old).unwrap().len();
            eventually("the old file grows", || {
                fs::metadata(&old).unwrap().len() > before as u64
            });
            site.signal("-USR2");
        }
        eventually("the last file has requests", || has_requests(&log));
        is_over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let said = site.end_well();
    assert!(!said.contains("number="), "{said}");
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort_unstable();
    assert_eq!(files.len(), ROTATIONS + 1, "{files:?}");
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.ends_with('\n'), "{}: a line is whole", file.display());
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("number=") {
                let number = rest.split(' ').next().unwrap().parse().unwrap();
                *counts.entry(number).or_default() += 1;
            }
        }
    }
    let expected: BTreeMap<usize, usize> = (0..asked).map(|number| (number, 1)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn log_file_that_cannot_be_reopened_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = logs.join("site.log");
    let data = folder.path().join("data");
    let site = Running::start(&data, &[&format!("--log-file={}", log.display())]);
    let moved = folder.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    site.signal("-USR2");
    let text = || fs::read_to_string(moved.join("site.log")).unwrap();
    eventually("it says so", || {
        text().contains("the log file cannot be reopened")
    });
    site.end_well();
    assert!(text().contains("drained"), "{}", text());
}

#[test]
fn log_file_that_cannot_be_opened_is_one_line_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = format!(
        "--log-file={}",
        folder.path().join("missing/site.log").display()
    );
    let flags = [
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        &log,
        &format!("--data={}", data.display()),
    ];
    for check in [&[][..], &["--check-config"]] {
        let output = ended(&[&flags[..], check].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains("log") && said.lines().count() == 1,
            "{said}"
        );
        assert!(said.contains("missing/site.log"), "{said}");
    }
    assert!(!data.exists());
}

#[test]
fn import_survives_both_signals() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    let data = folder.path().join("data");
    let pipe = Pipe::in_new(&data);
    let log = folder.path().join("import.log");
    let mut import = site(&["import"]);
    import
        .arg(&source)
        .arg("--data")
        .arg(&data)
        .arg("--log-file")
        .arg(&log);
    let mut child = import.spawn().unwrap();
    let opened = pipe.opened();
    for (name, line) in [
        ("-USR1", "no database is open"),
        ("-USR2", "log file reopened"),
    ] {
        signal(&child, name);
        eventually(line, || fs::read_to_string(&log).unwrap().contains(line));
    }
    pipe.release(opened);
    assert_eq!(exit_code(&mut child), Some(0));
}
