//! All sockets send their request at once. No single browser does that, but the readers of a
//! popular page do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::figures::{Figures, figures};
use super::http::Socket;
use super::probe::Latencies;
use super::target::Target;

pub(super) async fn run(target: &Target, sockets: usize, rounds: usize) -> Result<Figures> {
    let mut idle = Vec::new();
    for _ in 0..sockets {
        idle.push(target.open().await?);
    }
    let mut elapsed = Duration::ZERO;
    let mut latencies = Latencies::default();
    for _ in 0..rounds {
        let began = Instant::now();
        // Everything is sent before anything is read.
        for socket in &mut idle {
            socket.ask("/").await?;
        }
        let mut asking = JoinSet::new();
        for socket in idle.drain(..) {
            asking.spawn(answered(socket, began));
        }
        while let Some(answered) = asking.join_next().await {
            let (socket, latency) = answered.context("a task of the client panicked")??;
            latencies.add(latency);
            idle.push(socket);
        }
        elapsed += began.elapsed();
    }
    let mut figures = figures([
        ("requests", (sockets * rounds) as f64),
        ("seconds", elapsed.as_secs_f64() / rounds as f64),
    ]);
    latencies.tell(&mut figures, "");
    Ok(figures)
}

async fn answered(mut socket: Socket, began: Instant) -> Result<(Socket, Duration)> {
    let answer = socket.answer().await?;
    super::http::expect(&answer, crate::scene::PAGE)?;
    Ok((socket, began.elapsed()))
}
