//! curl: a client of HTTP/2 and TLS that checks answers, and downloads one file after another.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures, milliseconds};
use super::http::Body;
use crate::children::{Running, finish};
use crate::peers::{Server, other, which};
use crate::scene::Wire;

/// The cipher of all downloads through TLS: processors have instructions for it.
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// The flags for a version of HTTP.
fn version(wire: Wire, http2: bool) -> &'static str {
    match (wire, http2) {
        (_, false) => "--http1.1",
        (Wire::Tls, true) => "--http2",
        (_, true) => "--http2-prior-knowledge",
    }
}

fn curl(server: &Server, http2: bool) -> Result<Command> {
    let path = which("curl").context("curl is not installed; see `euryale-bench setup`")?;
    let mut command = other(&path)?;
    // The certificate is self-signed.
    let always = ["--silent", "--show-error", "--fail", "--insecure"];
    command
        .args(always)
        .arg(version(server.wire(), http2))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Sends a request over HTTP/2 and checks that it is answered 200 with exactly this body.
pub(super) fn check(server: &Server, path: &str, body: &Body<'_>) -> Result<()> {
    let mut command = curl(server, true)?;
    command.args(["--max-time", "60"]).arg(server.url(path));
    let mut running = Running::start(&mut command)?;
    let answer = running.child().stdout.take().context("curl's output")?;
    let compared = body.compare(answer);
    // An error of curl explains a wrong body.
    let errors = running.child().stderr.take().context("curl's errors")?;
    let errors = std::io::read_to_string(errors)?;
    ensure!(errors.is_empty(), "{}", errors.trim_end());
    compared
}

/// The arguments of a download.
pub(super) fn arguments(http2: bool) -> String {
    let version = if http2 { "HTTP/2" } else { "HTTP/1.1" };
    format!("curl, {version}, {CIPHER}")
}

/// Downloads `path` `requests` times, one after the other over one connection.
pub(super) fn run(
    server: &Server,
    path: &str,
    length: u64,
    requests: u64,
    http2: bool,
) -> Result<Figures> {
    let mut command = curl(server, http2)?;
    command.args(["--tlsv1.3", "--tls13-ciphers", CIPHER]);
    let told = "%{http_code} %{http_version} %{size_download} %{num_connects} \
                %{time_starttransfer}\n";
    command.args(["--write-out", told]);
    for _ in 0..requests {
        command
            .args(["--output", "/dev/null"])
            .arg(server.url(path));
    }
    let began = Instant::now();
    let (good, output, errors) = finish(Running::start(&mut command)?)?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(good, "{}", errors.lines().last().unwrap_or("curl failed"));
    let wanted = if http2 { "2" } else { "1.1" };
    let first_bytes = parse(&output, length, wanted)?;
    ensure!(
        first_bytes.len() as u64 == requests,
        "curl made {} of {requests} downloads",
        first_bytes.len()
    );
    Ok(figures([
        ("requests", requests as f64),
        ("bytes", (requests * length) as f64),
        ("seconds", seconds),
        (
            "first_byte_mean_ms",
            milliseconds(first_bytes.iter().sum::<f64>() / requests as f64),
        ),
        (
            "first_byte_max_ms",
            milliseconds(first_bytes.iter().copied().fold(0.0, f64::max)),
        ),
    ]))
}

/// Checks what curl says of each download, and returns the seconds until their first bytes.
pub(crate) fn parse(output: &str, length: u64, version: &str) -> Result<Vec<f64>> {
    let mut first_bytes = Vec::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [code, found, size, connects, first_byte] = words[..] else {
            anyhow::bail!("curl's output is not as expected: {line}");
        };
        ensure!(code == "200", "answered {code}");
        ensure!(found == version, "answered with HTTP/{found}");
        ensure!(
            size == length.to_string(),
            "sent {size} bytes, not {length}"
        );
        let is_reused = first_bytes.is_empty() || connects == "0";
        ensure!(is_reused, "curl opened another connection");
        first_bytes.push(first_byte.parse()?);
    }
    Ok(first_bytes)
}
