//! Idle sockets, and what they cost the server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures};
use super::target::Target;
use crate::machine::raise_descriptors;
use crate::measure;

/// The pause in which the server becomes idle.
const REST: Duration = Duration::from_millis(500);
/// The number of sockets that are used again at the end, to show that they are still open: closed
/// sockets would be cheap.
const SAMPLES: usize = 50;

pub(super) async fn run(target: &Target, sockets: usize) -> Result<Figures> {
    let may_open = raise_descriptors();
    ensure!(
        may_open > sockets as u64 + 64,
        "{sockets} sockets need as many descriptors, and {may_open} are allowed: raise `ulimit -Hn`"
    );
    // Memory that the first requests allocate is not part of the cost of a socket.
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
        // Some servers allocate the memory of sockets when they start, so the growth alone would
        // flatter them.
        ("bytes_per_socket", per_socket(after)),
        ("grown_per_socket", per_socket(after.saturating_sub(before))),
    ]))
}
