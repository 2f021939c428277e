//! h2load with one thread: pages over HTTP/2 for some seconds, or a number of downloads.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures, milliseconds};
use crate::children::{Running, finish};
use crate::peers::{Server, other, which};

/// The result of a run of h2load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) seconds: f64,
    pub(crate) requests_per_second: f64,
    /// Requests with an answer of 2xx.
    pub(crate) succeeded: u64,
    /// Requests that were answered otherwise or not at all.
    pub(crate) failed: u64,
    /// Bytes of bodies.
    pub(crate) data: u64,
    /// The mean time until the end of an answer, in seconds.
    pub(crate) mean: f64,
}

/// The amount of work.
pub(super) enum Amount {
    Seconds(u32),
    Requests(u64),
}

/// The arguments of h2load, except for the URL. Each connection has one request at a time, as in
/// the runs with wrk.
pub(super) fn arguments(connections: u32, amount: &Amount) -> [String; 4] {
    let amount = match amount {
        Amount::Seconds(seconds) => format!("-D{seconds}"),
        Amount::Requests(requests) => format!("-n{requests}"),
    };
    [
        "-t1".to_owned(),
        format!("-c{connections}"),
        "-m1".to_owned(),
        amount,
    ]
}

/// Requests `path`, whose body has this length. Anything but good answers is an error.
pub(super) fn run(
    server: &Server,
    path: &str,
    length: u64,
    connections: u32,
    amount: &Amount,
) -> Result<Figures> {
    let h2load = which("h2load").context("h2load is not installed; see `euryale-bench setup`")?;
    let mut command = other(&h2load)?;
    command
        .args(arguments(connections, amount))
        .arg(server.url(path))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (good, output, errors) = finish(Running::start(&mut command)?)?;
    let last = errors.lines().last().unwrap_or("without a word");
    ensure!(good, "h2load failed: {last}");
    let seen = parse(&output).context("h2load's output is not as expected")?;
    seen.judge(length)?;
    Ok(figures([
        ("requests", seen.succeeded as f64),
        ("bytes", seen.data as f64),
        ("seconds", seen.seconds),
        ("requests_per_second", seen.requests_per_second),
        ("mean_ms", milliseconds(seen.mean)),
    ]))
}

impl Seen {
    /// A single wrong answer makes a run worthless.
    pub(crate) fn judge(&self, length: u64) -> Result<()> {
        ensure!(self.failed == 0, "{} requests failed", self.failed);
        ensure!(self.succeeded > 0, "no request was answered");
        let wanted = self.succeeded * length;
        // The run may end in the middle of answers, which are not counted as requests.
        ensure!(
            self.data >= wanted,
            "sent {} bytes of bodies, not {wanted}",
            self.data
        );
        Ok(())
    }
}

/// Reads what h2load prints.
pub(crate) fn parse(output: &str) -> Option<Seen> {
    let mut seen = Seen::default();
    let mut lines = 0;
    for line in output.lines().map(str::trim) {
        if let Some(finished) = line.strip_prefix("finished in ") {
            let mut parts = finished.split(", ");
            seen.seconds = seconds(parts.next()?)?;
            seen.requests_per_second = parts.next()?.strip_suffix(" req/s")?.parse().ok()?;
            lines += 1;
        } else if let Some(requests) = line.strip_prefix("requests: ") {
            seen.failed = counted(requests, "failed")?
                + counted(requests, "errored")?
                + counted(requests, "timeout")?;
            lines += 1;
        } else if let Some(codes) = line.strip_prefix("status codes: ") {
            seen.succeeded = counted(codes, "2xx")?;
            let others = ["3xx", "4xx", "5xx"].map(|class| counted(codes, class));
            seen.failed += others.into_iter().sum::<Option<u64>>()?;
            lines += 1;
        } else if let Some(traffic) = line.strip_prefix("traffic: ") {
            let data = traffic.strip_suffix(" data")?.rsplit_once('(')?.1;
            seen.data = data.strip_suffix(')')?.parse().ok()?;
            lines += 1;
        } else if let Some(times) = line.strip_prefix("time for request:") {
            seen.mean = seconds(times.split_whitespace().nth(2)?)?;
            lines += 1;
        }
    }
    (lines == 5).then_some(seen)
}

/// The number before a word in `3 total, 2 done`.
fn counted(text: &str, word: &str) -> Option<u64> {
    let mut parts = text.split(", ");
    parts.find_map(|part| part.strip_suffix(word)?.trim_end().parse().ok())
}

/// `812us`, `1.02ms`, `3.00s`.
fn seconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    units.into_iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * seconds)
    })
}
