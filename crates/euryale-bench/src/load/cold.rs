//! Downloads of files that are not in memory, and the cost of a page at the same time.

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::figures::{Figures, figures};
use super::target::Target;
use super::{drain, probe};

/// The lengths of the files. Each length is a different file.
pub(crate) fn lengths(downloads: u64, length: u64) -> impl Iterator<Item = u64> {
    (0..downloads).map(move |n| length + n)
}

pub(super) async fn run(
    target: &Target,
    downloads: u64,
    length: u64,
    probes: usize,
) -> Result<Figures> {
    let mut seen = Figures::new();
    probe::told(target, probes, &mut seen, "_quiet").await?;
    ensure!(
        seen["answered_quiet"] as usize == probes,
        "does not answer even when it is quiet"
    );

    let began = Instant::now();
    let download = |length| {
        let target = target.clone();
        thread::spawn(move || drain::run(&target, 1, 1, length, true))
    };
    let under_way: Vec<_> = lengths(downloads, length).map(download).collect();
    probe::told(target, probes, &mut seen, "").await?;
    let left = under_way
        .iter()
        .filter(|download| !download.is_finished())
        .count();
    for download in under_way {
        download
            .join()
            .ok()
            .context("a thread of the client panicked")??;
    }
    seen.extend(figures([
        ("under_way", left as f64),
        ("seconds", began.elapsed().as_secs_f64()),
        ("bytes", lengths(downloads, length).sum::<u64>() as f64),
    ]));
    Ok(seen)
}
