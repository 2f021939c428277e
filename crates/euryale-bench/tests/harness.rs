//! The harness on servers that do not answer as they should: a failed run is never a fast one.

use std::io::Write;
use std::process::Command;

struct Verdict {
    good: bool,
    report: String,
}

fn measure(case: &str) -> Verdict {
    let output = Command::new(env!("CARGO_BIN_EXE_euryale-bench"))
        .args(["broken", "--runs", "1", "--seconds", "1", "--connections", "2", "--patience", "0"])
        .args(["--cases", case])
        .output()
        .expect("the bench");
    Verdict { good: output.status.success(), report: String::from_utf8_lossy(&output.stdout).into_owned() }
}

fn fails(case: &str, reason: &str) {
    let Verdict { good, report } = measure(case);
    assert!(!good, "{report}");
    assert!(report.contains(&format!("**`{case}` failed**: {reason}")), "{report}");
    assert!(report.contains(&format!("| `{case}` | – | – |")), "{report}");
    assert!(report.contains("| 1/1 |"), "{report}");
}

fn has_wrk() -> bool {
    let found = Command::new("wrk").arg("--version").output().is_ok();
    if !found {
        // Past the test harness, which shows what is printed only of tests that fail.
        let _ = writeln!(std::io::stderr(), "SKIPPED: wrk is not installed, nothing is tested under load");
        assert!(std::env::var_os("CI").is_none(), "skipped, and must not be: install wrk");
    }
    found
}

#[test]
fn a_wrong_body_fails() {
    fails("wrong-body", "answered the body \"hullo\" and not \"hello\"");
}

#[test]
fn an_error_fails() {
    fails("error", "answered HTTP/1.1 500 Internal Server Error");
}

#[test]
fn no_answer_fails() {
    fails("silent", "answered nothing");
}

#[test]
fn an_error_under_load_fails() {
    if has_wrk() {
        let Verdict { good, report } = measure("error-under-load");
        assert!(!good && report.contains("answers were not 2xx"), "{report}");
    }
}

#[test]
fn a_sound_server_is_measured() {
    if has_wrk() {
        let Verdict { good, report } = measure("sound");
        assert!(good && report.contains("| 0/1 |"), "{report}");
    }
}

#[test]
fn the_list_names_cases_and_bars() {
    let output = Command::new(env!("CARGO_BIN_EXE_euryale-bench")).arg("list").output().expect("the bench");
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && list.contains("stack-lazy"), "{list}");
    assert!(list.contains("bar: CPU of pool-run at most 0.70 times that of semaphore"), "{list}");
}
