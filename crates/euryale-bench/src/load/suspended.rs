//! Requests that wait for a promise, and what they cost the server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures};
use super::http::expect;
use super::target::{PATIENCE, Target};
use crate::machine::raise_descriptors;
use crate::measure;
use crate::scene::PAGE;

/// The pause in which the server becomes idle, and the one between two questions.
const REST: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);
/// The number of requests that are sent before their first passes are waited for, so that a queue
/// for workers never overflows.
const BATCH: usize = 500;

/// Asks for `/suspended` on each socket, until `/arrived` says that the application was called for
/// all of them. Then `/release` resolves their promise, and all are answered.
pub(super) async fn run(target: &Target, sockets: usize) -> Result<Figures> {
    let may_open = raise_descriptors();
    ensure!(
        may_open > sockets as u64 + 64,
        "{sockets} sockets need as many descriptors, and {may_open} are allowed: raise `ulimit -Hn`"
    );
    let mut control = target.open().await?;
    control.page().await?;
    tokio::time::sleep(REST).await;
    let memory = measure::resident(target.pid)?;
    let threads = measure::threads(target.pid)?;
    let mut suspended = Vec::new();
    while suspended.len() < sockets {
        for _ in 0..BATCH.min(sockets - suspended.len()) {
            let mut socket = target.open().await?;
            socket.ask("/suspended").await?;
            suspended.push(socket);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            control.ask("/arrived").await?;
            if control.answer().await? == suspended.len().to_string() {
                break;
            }
            ensure!(Instant::now() < until, "not all requests have arrived");
            tokio::time::sleep(PAUSE).await;
        }
    }
    tokio::time::sleep(REST).await;
    let grown = measure::resident(target.pid)?.saturating_sub(memory);
    let more_threads = measure::threads(target.pid)?.saturating_sub(threads);
    // The workers are free.
    control.page().await?;
    let began = Instant::now();
    control.ask("/release").await?;
    expect(&control.answer().await?, PAGE)?;
    for (number, socket) in suspended.iter_mut().enumerate() {
        let answer = socket.answer().await;
        expect(&answer.with_context(|| format!("request {number}"))?, PAGE)?;
    }
    Ok(figures([
        ("requests", sockets as f64),
        ("seconds", began.elapsed().as_secs_f64()),
        ("grown_per_request", grown as f64 / sockets as f64),
        ("grown_mib", grown as f64 / f64::from(1 << 20)),
        ("more_threads", more_threads as f64),
    ]))
}
