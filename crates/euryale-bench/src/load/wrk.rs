//! The load: `wrk` with one thread and keep-alive connections that send the next request at once.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures, milliseconds};
use crate::children::{Running, finish};
use crate::peers::{other, which};

/// The result of a run of `wrk`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Connections that failed or broke, and answers that did not arrive in time.
    pub(crate) socket_errors: u64,
    /// Answers of 400 and above; for `wrk` a 3xx is a good answer.
    pub(crate) bad_answers: u64,
}

/// The headers that a proxy adds.
const PROXY: [&str; 4] = [
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: example.org",
    "X-Forwarded-Prefix: /app",
];

/// The arguments of `wrk`, except for the address.
pub(crate) fn arguments(connections: u32, seconds: u32) -> [String; 4] {
    [
        "-t1".to_owned(),
        format!("-c{connections}"),
        format!("-d{seconds}s"),
        "--latency".to_owned(),
    ]
}

/// Loads `url`. Anything but good answers is an error.
pub(super) fn run(url: &str, connections: u32, seconds: u32, is_proxied: bool) -> Result<Figures> {
    let wrk = which("wrk").context("wrk is not installed; `euryale-bench setup` installs it")?;
    let mut command = other(&wrk)?;
    command.args(arguments(connections, seconds));
    if is_proxied {
        let header = |text| ["--header", text];
        command.args(PROXY.into_iter().flat_map(header));
    }
    command.arg(url);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (good, output, errors) = finish(Running::start(&mut command)?)?;
    ensure!(
        good,
        "wrk failed: {}",
        errors.lines().last().unwrap_or("without a word")
    );
    let load = parse(&output).context("wrk's output is not as expected")?;
    load.judge()?;
    Ok(figures([
        ("requests", load.requests as f64),
        ("requests_per_second", load.requests_per_second),
        ("p50_ms", milliseconds(load.p50.as_secs_f64())),
        ("p99_ms", milliseconds(load.p99.as_secs_f64())),
        (
            "p99_per_p50",
            load.p99.as_secs_f64() / load.p50.as_secs_f64(),
        ),
    ]))
}

impl Seen {
    /// A single wrong answer makes a run worthless, because errors are cheap to produce.
    pub(crate) fn judge(&self) -> Result<()> {
        ensure!(
            self.bad_answers == 0,
            "{} of {} answers were not 2xx",
            self.bad_answers,
            self.requests
        );
        ensure!(
            self.socket_errors == 0,
            "{} socket errors",
            self.socket_errors
        );
        ensure!(self.requests > 0, "no request was answered");
        Ok(())
    }
}

/// Reads what `wrk --latency` prints.
pub(crate) fn parse(output: &str) -> Option<Seen> {
    let mut load = Seen::default();
    let mut seen = (false, false);
    for line in output.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            load.requests = requests.parse().ok()?;
            seen.0 = true;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            load.requests_per_second = rate.trim().parse().ok()?;
            seen.1 = true;
        } else if let Some(errors) = line.strip_prefix("Socket errors:") {
            load.socket_errors = sum(errors)?;
        } else if let Some(bad) = line.strip_prefix("Non-2xx or 3xx responses:") {
            load.bad_answers = bad.trim().parse().ok()?;
        } else if let Some(latency) = line.strip_prefix("50%") {
            load.p50 = duration(latency.trim())?;
        } else if let Some(latency) = line.strip_prefix("99%") {
            load.p99 = duration(latency.trim())?;
        }
    }
    (seen == (true, true)).then_some(load)
}

/// `connect 0, read 3, write 0, timeout 1`, added up.
fn sum(errors: &str) -> Option<u64> {
    errors
        .split(',')
        .map(|error| error.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}

/// `431.00us`, `1.02ms`, `1.50s`, `2.00m`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}
