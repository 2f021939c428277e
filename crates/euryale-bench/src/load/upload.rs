//! Uploads, at full speed or drop by drop.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::figures::{Figures, figures};
use super::http::{expect, post, read_head};
use super::target::{PATIENCE, Target};
use super::{metrics, probe};
use crate::scene::Pattern;

const PIECE: usize = 256 << 10;
/// The time between two drops, and between two looks at the server's workers.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(target: &Target, sockets: usize, length: u64) -> Result<Figures> {
    let began = Instant::now();
    let sent: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..sockets)
            .map(|_| scope.spawn(|| send(target, length)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .ok()
                    .context("a thread of the client panicked")?
            })
            .collect()
    });
    sent.into_iter().collect::<Result<()>>()?;
    Ok(figures([
        ("requests", sockets as f64),
        ("bytes", (sockets as u64 * length) as f64),
        ("seconds", began.elapsed().as_secs_f64()),
    ]))
}

fn piece() -> Vec<u8> {
    let mut piece = vec![0; PIECE];
    Pattern::new().fill(&mut piece);
    piece
}

fn send(target: &Target, length: u64) -> Result<()> {
    let mut stream = target.connect()?;
    stream
        .write_all(post(target.to, length).as_bytes())
        .context("asking")?;
    let piece = piece();
    let mut left = length;
    while left > 0 {
        let count = left.min(PIECE as u64) as usize;
        stream
            .write_all(&piece[..count])
            .context("sending the body")?;
        left -= count as u64;
    }
    let mut received = Vec::new();
    let head = read_head(&mut stream, &mut received)?;
    let answer = std::io::Read::chain(received.as_slice(), stream);
    let answer = std::io::read_to_string(std::io::Read::take(answer, head.length))
        .context("reading the answer")?;
    expect(&answer, &length.to_string())
}

/// All sockets send during `pace`. The probes begin after a tenth of it.
pub(super) async fn trickle(
    target: &Target,
    sockets: usize,
    length: u64,
    pace: Duration,
    probes: usize,
) -> Result<Figures> {
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for _ in 0..sockets {
        sending.spawn(drip(target.clone(), length, pace));
    }
    tokio::time::sleep(pace / 10).await;
    let mut figures = figures([
        ("requests", sockets as f64),
        ("bytes", (sockets as u64 * length) as f64),
    ]);
    let looking = tokio::spawn(workers(target.clone(), pace * 7 / 10));
    probe::run(target, probes, &mut figures, "").await?;
    let workers = looking.await.context("a task of the client panicked")??;
    figures.extend(workers.map(|workers| ("workers".to_owned(), workers)));
    while let Some(sent) = sending.join_next().await {
        sent.context("a task of the client panicked")??;
    }
    figures.insert("seconds".to_owned(), began.elapsed().as_secs_f64());
    Ok(figures)
}

async fn drip(target: Target, length: u64, pace: Duration) -> Result<()> {
    let mut socket = target.open().await?;
    socket
        .stream
        .write_all(post(target.to, length).as_bytes())
        .await
        .context("asking")?;
    let drops = (pace.as_millis() / TICK.as_millis()).max(1) as u64;
    let piece = piece();
    let mut clock = interval(TICK);
    for drop in 0..drops {
        clock.tick().await;
        let mut left = length * (drop + 1) / drops - length * drop / drops;
        while left > 0 {
            let count = left.min(PIECE as u64) as usize;
            let sent = timeout(PATIENCE, socket.stream.write_all(&piece[..count])).await;
            sent.context("the server stopped reading")?
                .context("sending the body")?;
            left -= count as u64;
        }
    }
    expect(&socket.answer().await?, &length.to_string())
}

/// Returns the mean number of running publishers during this time. Only our own server reports it.
async fn workers(target: Target, length: Duration) -> Result<Option<f64>> {
    let until = Instant::now() + length;
    let mut clock = interval(TICK);
    let mut sum = 0.0;
    let mut looks = 0.0;
    while Instant::now() < until {
        clock.tick().await;
        let Some(text) = metrics::ask(&target).await? else {
            return Ok(None);
        };
        sum += metrics::value(&text, "euryale_publishers_running")
            .context("no euryale_publishers_running")?;
        looks += 1.0;
    }
    Ok(Some(sum / looks))
}
