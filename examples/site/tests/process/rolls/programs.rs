//! wrk and h2load, which repeat nothing and count what fails.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::{FEW, MANY, roll};
use crate::{Running, eventually, exit_code, give_up, program, signal};

/// A program that loads the site. It ends with the test.
struct Load(Child);

impl Load {
    /// `None` if the program is not installed, which is reported with the name of its package.
    fn start(mut command: Command, package: &str) -> Option<Self> {
        match command.env_remove("http_proxy").spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let name = command.get_program().display();
                euryale_test::skip(&format!(
                    "{name} is not installed: Debian's package is {package}"
                ));
                None
            }
            child => Some(Self(child.unwrap())),
        }
    }

    fn output(&mut self) -> JoinHandle<String> {
        let mut stdout = self.0.stdout.take().unwrap();
        std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        give_up(&mut self.0);
    }
}

/// Heads that the site has sent, in all processes that serve.
fn answers(site: &Running) -> usize {
    let counts = site.metric_by_process("euryale_response_head_seconds_count");
    counts.into_iter().sum()
}

fn start() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--processes=2"]);
    (folder, site)
}

fn roll_under_wrk(times: usize, fields: &[&str]) {
    let (_folder, site) = start();
    let mut command = program("wrk");
    command.args(["-t2", "-c8", "-d600s"]).args(fields);
    command.arg(format!("http://{}/guides", site.public[0]));
    let Some(mut wrk) = Load::start(command, "wrk") else {
        return;
    };
    let said = wrk.output();
    roll(&site, times, || answers(&site));
    // It then reports what it has seen.
    signal(&wrk.0, "-INT");
    assert_eq!(exit_code(&mut wrk.0), Some(0));
    let said = said.join().unwrap();
    let count = said
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    let count: u64 = count.unwrap_or_else(|| panic!("{said}"));
    println!("{times} rolls: {count} answers for wrk {fields:?}");
    assert!(count > 100, "{said}");
    assert!(!said.contains("Socket errors"), "{said}");
    assert!(!said.contains("Non-2xx"), "{said}");
    site.end_well();
}

/// h2load does not open another HTTP/2 socket when one closes: it counts the rest of its requests
/// as failed, and those that it had not yet sent as done as well. So it runs again and again, all
/// answers must be good, and the site must have answered every request that it got.
fn roll_under_h2load(times: usize, flags: &[&str]) {
    let (_folder, site) = start();
    let succeeded = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let url = format!("http://{}/guides", site.public[0]);
    let is_installed = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let mut command = program("h2load");
                command.args(["-n1000", "-c4"]).args(flags).arg(&url);
                let Some(mut h2load) = Load::start(command, "nghttp2-client") else {
                    return false;
                };
                let said = h2load.output();
                assert_eq!(exit_code(&mut h2load.0), Some(0));
                let count = judge(&said.join().unwrap(), flags.contains(&"--h1"));
                succeeded.fetch_add(count, Ordering::Relaxed);
            }
            true
        });
        eventually("h2load runs", || {
            load.is_finished() || succeeded.load(Ordering::Relaxed) > 0
        });
        if !load.is_finished() {
            roll(&site, times, || succeeded.load(Ordering::Relaxed));
        }
        is_over.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    if is_installed {
        let count = succeeded.into_inner();
        println!("{times} rolls: {count} answers for h2load {flags:?}");
    }
    let said = site.end_well();
    assert!(!said.contains("gone=true"), "{said}");
}

/// Checks a report of h2load, and returns the number of requests that succeeded.
fn judge(said: &str, is_http1: bool) -> usize {
    let line = said.lines().find(|line| line.starts_with("requests: "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    let count = |what: &str| {
        let words = line.split([' ', ',']).filter(|word| !word.is_empty());
        let mut number = 0;
        for word in words {
            if word == what {
                return number;
            }
            number = word.parse().unwrap_or(number);
        }
        panic!("{said}")
    };
    assert!(count("started") > 0, "a connection was refused: {said}");
    let succeeded = count("succeeded");
    let codes = format!("status codes: {succeeded} 2xx, 0 3xx, 0 4xx, 0 5xx");
    assert!(said.contains(&codes), "{said}");
    // With HTTP/1 it opens another socket, so nothing fails.
    if is_http1 {
        assert!(said.contains(" 0 failed, 0 errored, 0 timeout"), "{said}");
    }
    succeeded
}

const CLOSE: [&str; 2] = ["-H", "Connection: close"];

#[test]
fn rolls_lose_no_request_of_wrk() {
    roll_under_wrk(FEW, &[]);
}

#[test]
fn rolls_lose_no_request_of_wrk_without_keep_alive() {
    roll_under_wrk(FEW, &CLOSE);
}

#[test]
fn rolls_lose_no_request_of_h2load() {
    roll_under_h2load(FEW, &["-m10"]);
}

#[test]
fn rolls_lose_no_request_of_h2load_over_http1() {
    roll_under_h2load(FEW, &["--h1"]);
}

#[test]
#[ignore = "slow: cargo test -p site --test process twenty_rolls -- --ignored --nocapture"]
fn twenty_rolls_lose_no_request_of_wrk() {
    roll_under_wrk(MANY, &[]);
    roll_under_wrk(MANY, &CLOSE);
}

#[test]
#[ignore = "slow: cargo test -p site --test process twenty_rolls -- --ignored --nocapture"]
fn twenty_rolls_lose_no_request_of_h2load() {
    roll_under_h2load(MANY, &["-m10"]);
    roll_under_h2load(MANY, &["--h1"]);
}
