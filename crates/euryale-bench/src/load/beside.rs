//! Slow downloads and uploads, and the time of a page alone and beside them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::figures::{Figures, milliseconds};
use super::http::post;
use super::probe::Latencies;
use super::target::Target;
use crate::measure;
use crate::scene::blob_name;

/// An answer after this time counts as missing.
const LATE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);
/// Bytes that a download reads in each [`TICK`]: 1 MB/s.
const READ: usize = 100_000;
/// Bytes that an upload sends in each [`TICK`]: 40 kB/s.
const WRITTEN: usize = 4_000;
/// Longer than the probes need.
const UPLOAD: u64 = 100_000_000;

/// The number of slow clients, and the length of the blob that the downloads read.
#[derive(Clone, Copy)]
pub(super) struct Slow {
    pub(super) downloads: usize,
    pub(super) length: u64,
    pub(super) uploads: usize,
}

pub(super) async fn run(target: &Target, slow: Slow, probes: usize) -> Result<Figures> {
    let mut figures = Figures::new();
    let alone = page(target, probes, &mut figures, "_quiet").await?;
    let alone = alone.context("does not answer even when it is quiet")?;
    let before = measure::resident(target.pid)?;
    let (begun, mut beginning) = unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..slow.downloads {
        clients.spawn(download(target.clone(), slow.length, begun.clone()));
    }
    for _ in 0..slow.uploads {
        clients.spawn(upload(target.clone()));
    }
    let mut served = 0;
    let all = async {
        while served < slow.downloads && beginning.recv().await.is_some() {
            served += 1;
        }
    };
    // The page is also measured if the server has begun fewer of them.
    let _ = timeout(LATE, all).await;
    let beside = page(target, probes, &mut figures, "").await?;
    let grown = measure::resident(target.pid)?.saturating_sub(before);
    if let Some(ended) = clients.try_join_next() {
        ended.context("a task of the client panicked")??;
    }
    figures.insert("served".to_owned(), served as f64);
    figures.insert("grown_mib".to_owned(), grown as f64 / f64::from(1 << 20));
    if let Some(beside) = beside {
        figures.insert("p50_growth".to_owned(), beside / alone);
    }
    Ok(figures)
}

/// Requests the page again and again, each time on a new socket. Returns the median in milliseconds
/// if every request was answered.
async fn page(
    target: &Target,
    probes: usize,
    figures: &mut Figures,
    suffix: &str,
) -> Result<Option<f64>> {
    let mut latencies = Latencies::default();
    let mut answered = 0;
    for _ in 0..probes {
        let began = Instant::now();
        let answer = timeout(LATE, async {
            let mut socket = target.open().await?;
            socket.ask("/page").await?;
            socket.answer().await
        });
        let Ok(answer) = answer.await else {
            // The others would not be answered either, and each would take as long.
            break;
        };
        ensure!(!answer?.is_empty(), "answered an empty page");
        answered += 1;
        latencies.add(began.elapsed());
    }
    figures.insert(format!("answered{suffix}"), f64::from(answered));
    if answered as usize != probes {
        return Ok(None);
    }
    latencies.tell(figures, suffix);
    Ok(latencies.quantile(0.5).map(milliseconds))
}

/// Runs until the load ends. Ending earlier is an error.
async fn download(target: Target, length: u64, begun: UnboundedSender<()>) -> Result<()> {
    let mut socket = target.open().await?;
    socket.ask(&format!("/{}", blob_name(length))).await?;
    let announced = socket.head().await?.length;
    ensure!(
        announced == length,
        "announced {announced} bytes and not {length}"
    );
    // The receiver is gone once the probes have begun.
    let _ = begun.send(());
    let mut piece = vec![0; READ];
    let mut clock = interval(TICK);
    loop {
        clock.tick().await;
        socket
            .stream
            .read_exact(&mut piece)
            .await
            .context("a slow download ended")?;
    }
}

/// The same for an upload.
async fn upload(target: Target) -> Result<()> {
    let mut socket = target.open().await?;
    let head = post(target.to, UPLOAD);
    socket.stream.write_all(head.as_bytes()).await?;
    let piece = [b'x'; WRITTEN];
    let mut clock = interval(TICK);
    loop {
        clock.tick().await;
        socket
            .stream
            .write_all(&piece)
            .await
            .context("a slow upload was broken off")?;
    }
}
