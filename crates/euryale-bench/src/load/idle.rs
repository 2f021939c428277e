//! Sockets that are kept, and what they cost the server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Figures, Target, figures, raise_descriptors};
use crate::measure;

/// For the server to come to rest.
const REST: Duration = Duration::from_millis(500);
/// The number of sockets that are used again at the end: an idle socket that was closed is cheap.
const SAMPLES: usize = 50;

pub(super) async fn run(target: &Target, sockets: usize) -> Result<Figures> {
    let may_open = raise_descriptors();
    ensure!(
        may_open > sockets as u64 + 64,
        "{sockets} sockets need as many descriptors, and {may_open} are allowed: raise `ulimit -Hn`"
    );
    // What the first request makes is not the socket's.
    for _ in 0..10 {
        target.open().await?.page().await?;
    }
    tokio::time::sleep(REST).await;
    let before = measure::resident(target.pid)?;
    let mut open = Vec::new();
    for number in 0..sockets {
        let mut socket = target
            .open()
            .await
            .with_context(|| format!("socket {number}"))?;
        socket
            .page()
            .await
            .with_context(|| format!("socket {number}"))?;
        open.push(socket);
    }
    tokio::time::sleep(REST).await;
    let after = measure::resident(target.pid)?;
    let step = (sockets / SAMPLES).max(1);
    for socket in open.iter_mut().step_by(step) {
        socket.page().await.context("an idle socket is gone")?;
    }
    let per_socket = |bytes: u64| bytes as f64 / sockets as f64;
    Ok(figures([
        ("requests", sockets as f64),
        // Some servers make what a socket needs when they start, so what came with the sockets is
        // not all.
        ("bytes_per_socket", per_socket(after)),
        ("grown_per_socket", per_socket(after.saturating_sub(before))),
    ]))
}
