//! Downloads that their clients do not read, and the cost of a page at the same time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::figures::Figures;
use super::http::Socket;
use super::probe;
use super::target::Target;
use crate::measure::{self, Usage};
use crate::scene::blob_name;

/// A download without a head by then counts as not served.
const LATE: Duration = Duration::from_secs(10);
/// The time between two looks at the server's CPU time.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(
    target: &Target,
    downloads: usize,
    length: u64,
    probes: usize,
) -> Result<Figures> {
    let mut figures = Figures::new();
    probe::told(target, probes, &mut figures, "_quiet").await?;
    ensure!(
        figures["answered_quiet"] as usize == probes,
        "does not answer even when it is quiet"
    );

    let before = measure::resident(target.pid)?;
    let mut starting = JoinSet::new();
    for _ in 0..downloads {
        starting.spawn(start(target.clone(), length));
    }
    // During these probes the server still fills the system's buffers: it works and does not wait.
    probe::run(target, probes, &mut figures, "_begin").await?;
    let mut stalled = Vec::new();
    while let Some(socket) = starting.join_next().await {
        stalled.push(socket.context("a task of the client panicked")??);
    }
    let served = stalled.iter().filter(|(_, served)| *served).count();
    figures.insert("served".to_owned(), served as f64);
    rest(target).await?;
    probe::told(target, probes, &mut figures, "").await?;
    let grown = measure::resident(target.pid)?.saturating_sub(before);
    figures.insert("grown_mib".to_owned(), grown as f64 / f64::from(1 << 20));
    Ok(figures)
}

/// Reads the head of an answer and nothing more. Returns whether there was one.
async fn start(target: Target, length: u64) -> Result<(Socket, bool)> {
    let mut socket = target.open().await?;
    socket.ask(&format!("/{}", blob_name(length))).await?;
    let served = match timeout(LATE, socket.head()).await {
        Ok(head) => {
            let announced = head?.length;
            ensure!(
                announced == length,
                "announced {announced} bytes and not {length}"
            );
            true
        }
        Err(_) => false,
    };
    Ok((socket, served))
}

/// Waits until the server is idle, or the time is up.
async fn rest(target: &Target) -> Result<()> {
    let until = Instant::now() + LATE;
    let mut used = Usage::now(target.pid)?.server;
    while Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let before = std::mem::replace(&mut used, Usage::now(target.pid)?.server);
        if used <= before {
            break;
        }
    }
    Ok(())
}
