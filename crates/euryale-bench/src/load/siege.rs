//! Many clients that do as little as the server allows, and the cost of a page at the same time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::figures::Figures;
use super::http::Socket;
use super::probe;
use super::target::Target;
use crate::machine::raise_descriptors;
use crate::measure;

/// The time in which each slow head gets one byte.
const PACE: Duration = Duration::from_secs(2);
/// The number of clients that send at the same time: independent clients do not all send together.
const GROUPS: usize = 5;
/// The pause in which the server becomes idle.
const REST: Duration = Duration::from_millis(500);

pub(super) async fn run(
    target: &Target,
    heads: usize,
    sockets: usize,
    probes: usize,
) -> Result<Figures> {
    let all = heads + sockets;
    let may_open = raise_descriptors();
    ensure!(
        may_open > all as u64 + 64,
        "{all} sockets need as many descriptors, and {may_open} are allowed: raise `ulimit -Hn`"
    );
    let mut figures = Figures::new();
    probe::run(target, probes, &mut figures, "_quiet").await?;
    ensure!(
        figures["answered_quiet"] as usize == probes,
        "does not answer even when it is quiet"
    );
    let mut idle = Vec::new();
    for number in 0..sockets {
        let mut socket = target
            .open()
            .await
            .with_context(|| format!("socket {number}"))?;
        socket
            .page()
            .await
            .with_context(|| format!("socket {number}"))?;
        idle.push(socket);
    }
    let mut slow = Vec::new();
    for number in 0..heads {
        let mut socket = target
            .open()
            .await
            .with_context(|| format!("slow head {number}"))?;
        socket
            .stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            .await
            .context("sending half a head")?;
        slow.push(socket);
    }
    let trickling = tokio::spawn(trickle(slow));
    tokio::time::sleep(REST).await;
    probe::run(target, probes, &mut figures, "").await?;
    let resident = measure::resident(target.pid)?;
    // The result does not count if the slow clients were disconnected.
    ensure!(
        !trickling.is_finished(),
        "the server does not wait for slow heads: {:?}",
        ended(trickling).await
    );
    trickling.abort();
    for socket in idle.iter_mut().step_by((sockets / 50).max(1)) {
        socket.page().await.context("an idle socket is gone")?;
    }
    figures.insert(
        "resident_mib".to_owned(),
        resident as f64 / f64::from(1 << 20),
    );
    if let (Some(busy), Some(quiet)) = (figures.get("p99_ms"), figures.get("p99_ms_quiet")) {
        figures.insert("p99_growth".to_owned(), busy / quiet);
    }
    Ok(figures)
}

/// Returns only if there is an error.
async fn trickle(mut slow: Vec<Socket>) -> Result<()> {
    let groups = slow.len().div_ceil(GROUPS).max(1);
    let mut ticks = interval(PACE / u32::try_from(groups)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for group in slow.chunks_mut(GROUPS) {
            ticks.tick().await;
            for socket in group {
                socket
                    .stream
                    .write_all(b"x")
                    .await
                    .context("a slow head was given up")?;
            }
        }
    }
}

async fn ended(trickling: JoinHandle<Result<()>>) -> Result<()> {
    trickling.await.context("a task of the client panicked")?
}
