//! Runs the harness on faulty servers: a failed run is never reported as a fast one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use euryale_test::skip;
use serde_json::Value;
use tempfile::TempDir;

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_euryale-bench"))
}

/// A workload with some of the broken servers, in one round.
struct Verdict {
    good: bool,
    report: String,
    json: Value,
}

fn measure(workload: &str, peers: &str) -> Verdict {
    let folder = TempDir::new().expect("a folder");
    let json = folder.path().join("runs.json");
    let output = bench()
        .args([
            workload,
            "--runs",
            "1",
            "--seconds",
            "1",
            "--patience",
            "0",
            "--peers",
            peers,
        ])
        .arg("--json")
        .arg(&json)
        .arg("--folder")
        .arg(folder.path())
        .output()
        .expect("the bench");
    let text = fs::read_to_string(&json).unwrap_or_else(|_| panic!("no JSON: {}", errors(&output)));
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert_eq!(left, [json], "the folder of the run is gone");
    Verdict {
        good: output.status.success(),
        report: String::from_utf8_lossy(&output.stdout).into_owned(),
        json: serde_json::from_str(&text).expect("JSON that parses"),
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Verdict {
    fn round(&self, peer: &str) -> &Value {
        let cases = self.json["workloads"][0]["sections"][0]["cases"]
            .as_array()
            .expect("cases");
        let case = cases
            .iter()
            .find(|case| case["case"] == peer)
            .expect("the case");
        &case["rounds"][0]
    }

    fn figure(&self, peer: &str, key: &str) -> f64 {
        self.round(peer)["measured"][key]
            .as_f64()
            .unwrap_or_else(|| panic!("no {key}: {}", self.report))
    }

    fn fails(&self, peer: &str, reason: &str) {
        let told = self.round(peer)["failed"]
            .as_str()
            .unwrap_or_else(|| panic!("{peer}: {}", self.report));
        assert!(told.contains(reason), "{peer}: {told}");
        assert!(
            self.report
                .contains(&format!("**`{peer}` failed**: {told}")),
            "{}",
            self.report
        );
        assert!(
            self.report.contains(&format!("| `{peer}` | – | – |")),
            "{}",
            self.report
        );
        assert!(!self.good, "a failed run fails the command");
    }
}

#[test]
fn delays_and_sizes_come_out_right() {
    let burst = measure("broken-burst", "sound,late");
    assert!(burst.good, "{}", burst.report);
    // 20 requests at once, each 50 ms late, all at the same time.
    let seconds = burst.figure("late", "seconds");
    assert!((0.05..0.5).contains(&seconds), "{seconds}");
    assert!(burst.figure("late", "p50_ms") >= 50.0);
    assert!(burst.figure("sound", "seconds") < seconds);
    assert!((burst.figure("late", "requests") - 40.0).abs() < 1e-9);

    let blob = measure("broken-blob", "sound,late");
    assert!(blob.good, "{}", blob.report);
    assert!((blob.figure("sound", "bytes") - 8.0 * 1_000_003.0).abs() < 1e-9);
    // 8 requests on 2 sockets: four in a row on each.
    assert!(blob.figure("late", "seconds") >= 0.2);
    assert!(blob.figure("late", "first_byte_mean_ms") >= 50.0);
    assert!(blob.figure("sound", "first_byte_mean_ms") < 50.0);
}

#[test]
fn a_wrong_answer_fails_before_the_load() {
    let page = measure("broken-burst", "wrong-page,failing,silent");
    page.fails(
        "wrong-page",
        "answered the body \"hullo\" and not \"hello\"",
    );
    page.fails("failing", "answered HTTP/1.1 500 Internal Server Error");
    page.fails("silent", "answered nothing");
}

#[test]
fn an_error_under_load_fails_the_measurement() {
    let burst = measure("broken-burst", "failing-under-load,dying,truncating");
    burst.fails("failing-under-load", "answered HTTP/1.1 500");
    burst.fails("dying", "");
    burst.fails("truncating", "hung up in the middle of an answer");
    let blob = measure("broken-blob", "failing-under-load,dying,truncating");
    blob.fails("failing-under-load", "answered HTTP/1.1 500");
    blob.fails("dying", "");
    blob.fails("truncating", "truncated");
}

#[test]
fn wrong_bytes_are_found_apart_from_the_load() {
    let blob = measure("broken-blob", "corrupt");
    blob.fails("corrupt", "sent a wrong byte at 500001");
}

#[test]
fn wrk_sees_errors_too() {
    if Command::new("wrk").arg("--version").output().is_err() {
        return skip("wrk is not installed, nothing is tested under its load");
    }
    let page = measure("broken-page", "sound,failing-under-load");
    assert!(page.figure("sound", "requests_per_second") > 0.0);
    page.fails("failing-under-load", "answers were not 2xx");
}

#[test]
fn a_missing_program_is_a_line_and_no_failure() {
    let verdict = measure("broken-burst", "sound,nowhere");
    assert!(verdict.good, "{}", verdict.report);
    assert!(
        verdict
            .report
            .contains("| `nowhere` | a program that nobody has is not installed"),
        "{}",
        verdict.report
    );
}

#[test]
fn an_unknown_name_is_an_error() {
    for arguments in [
        &["no-such-workload"][..],
        &["page", "--peers", "no-such-server"],
    ] {
        let output = bench().args(arguments).output().expect("the bench");
        assert!(!output.status.success());
        assert!(
            errors(&output).contains("`euryale-bench list` says which there are"),
            "{}",
            errors(&output)
        );
    }
}

#[test]
fn bars_are_drawn() {
    let folder = TempDir::new().expect("a folder");
    let output = bench()
        .args([
            "broken-burst",
            "--runs",
            "2",
            "--patience",
            "0",
            "--peers",
            "sound",
            "--plot",
        ])
        .arg(folder.path())
        .output()
        .expect("the bench");
    assert!(output.status.success(), "{}", errors(&output));
    let drawn =
        fs::read_to_string(folder.path().join("broken-burst-broken.svg")).expect("an SVG file");
    assert!(drawn.contains("<rect class=\"peer\""), "{drawn}");
}

#[test]
fn our_own_server_serves_every_view() {
    let output = bench()
        .args([
            "blob-s",
            "stall",
            "--runs",
            "1",
            "--patience",
            "0",
            "--peers",
            "euryale",
        ])
        .output()
        .expect("the bench");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", errors(&output));
    assert!(
        report.contains("| answered | `euryale` | 50.00 | ≥ 50 | met |"),
        "{report}"
    );
}

#[test]
fn our_own_server_is_measured_over_tls_and_http2() {
    for program in ["curl", "h2load"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skip("curl or h2load is not installed, no server with HTTP/2 is measured");
        }
    }
    let verdict = measure("broken-wire", "euryale,sound");
    for case in ["euryale h2", "euryale tls", "euryale tls h2"] {
        assert!(verdict.figure(case, "requests") > 0.0, "{case}");
    }
    verdict.fails("sound", "speaks only HTTP/1.1 here");
}

/// Returns the children of a process, from `/proc`.
fn children(of: u32) -> Vec<u32> {
    let task = format!("/proc/{of}/task/{of}/children");
    let listed = fs::read_to_string(task).unwrap_or_default();
    listed
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// A run that is under way: the command, and its children.
fn in_the_middle(folder: &Path) -> (Child, Vec<u32>) {
    let mut command = bench();
    command
        .args([
            "slow",
            "--runs",
            "9",
            "--peers",
            "semaphore",
            "--patience",
            "0",
            "--folder",
        ])
        .arg(folder);
    let mut bench = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the bench");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let found = children(bench.id());
        // A server and a client.
        if found.len() == 2 {
            return (bench, found);
        }
        assert!(
            std::time::Instant::now() < deadline,
            "no server and client within 10 s"
        );
        assert!(bench.try_wait().expect("its state").is_none(), "it ended");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_left_behind() {
    for signal in ["INT", "TERM", "KILL"] {
        let folder = TempDir::new().expect("a folder");
        let (mut bench, children) = in_the_middle(folder.path());
        let sent = Command::new("kill")
            .args(["-s", signal, &bench.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
        let status = bench.wait().expect("its end");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while children.iter().any(|pid| is_alive(*pid)) {
            assert!(
                std::time::Instant::now() < deadline,
                "SIG{signal} leaves children of {children:?}"
            );
            std::thread::yield_now();
        }
        if signal != "KILL" {
            assert_eq!(status.code(), Some(130), "SIG{signal}");
            assert_eq!(
                fs::read_dir(folder.path()).expect("the folder").count(),
                0,
                "SIG{signal} leaves files"
            );
        }
    }
}

#[test]
fn the_list_names_all_workloads() {
    let output = bench().arg("list").output().expect("the bench");
    let lines: Vec<String> = BufReader::new(output.stdout.as_slice())
        .lines()
        .map_while(Result::ok)
        .collect();
    assert!(output.status.success());
    for start in [
        "page:",
        "slow:",
        "blob-s:",
        "blob-l:",
        "blob-tls:",
        "stall:",
        "upload:",
        "idle:",
        "scale:",
        "promise:",
        "theme:",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "no {start} in {lines:#?}"
        );
    }
}
