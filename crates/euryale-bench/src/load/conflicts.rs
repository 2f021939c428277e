//! Clients that do nothing but add one to the same number, in transactions that conflict.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::figures::{Figures, figures};
use super::http::Socket;
use super::probe::{self, Latencies};
use super::target::Target;

/// The answers that one client got.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    failed: usize,
}

/// Asks for `/count` again and again, while it probes a page that needs a worker, and compares the
/// sum of all answers with `/value`.
pub(super) async fn run(
    target: &Target,
    clients: usize,
    seconds: u32,
    probes: usize,
) -> Result<Figures> {
    let before = value(target).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds.into());
    let mut asking = JoinSet::new();
    for _ in 0..clients {
        asking.spawn(count(target.clone(), until));
    }
    let mut probed = Figures::new();
    probe::run(target, probes, &mut probed, "").await?;
    let mut counted = Latencies::default();
    let mut answered = 0;
    let mut failed = 0;
    while let Some(seen) = asking.join_next().await {
        let seen = seen.context("a task of the client panicked")??;
        answered += seen.latencies.len();
        failed += seen.failed;
        seen.latencies
            .into_iter()
            .for_each(|time| counted.add(time));
    }
    let elapsed = began.elapsed().as_secs_f64();
    let wrong = (value(target).await? - before).abs_diff(i64::try_from(answered)?);
    let mut figures = figures([
        ("requests", answered as f64),
        ("requests_per_second", answered as f64 / elapsed),
        ("seconds", elapsed),
        ("failed", failed as f64),
        ("wrong", wrong as f64),
    ]);
    counted.tell(&mut figures, "");
    let probed = probed.into_iter();
    figures.extend(probed.map(|(name, value)| (format!("probe_{name}"), value)));
    Ok(figures)
}

/// One client. An answer with another status than 200 counts as failed.
async fn count(target: Target, until: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut socket: Option<Socket> = None;
    while Instant::now() < until {
        let began = Instant::now();
        let mut own = match socket.take() {
            Some(own) => own,
            None => target.open().await?,
        };
        own.ask("/count").await?;
        match own.answer().await {
            Ok(_) => {
                seen.latencies.push(began.elapsed());
                socket = Some(own);
            }
            Err(_) => seen.failed += 1,
        }
    }
    Ok(seen)
}

async fn value(target: &Target) -> Result<i64> {
    let mut socket = target.open().await?;
    socket.ask("/value").await?;
    let answer = socket.answer().await?;
    answer.trim().parse().context("the number")
}
