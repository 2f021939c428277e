//! Probes: a page is requested at regular times, each time on a new socket, whether or not the
//! previous request was answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::figures::{Figures, milliseconds};
use super::metrics;
use super::target::Target;

/// The time between two probes.
const PAUSE: Duration = Duration::from_millis(20);
/// An answer after this time counts as missing.
const LATE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Latencies {
    seconds: Vec<f64>,
}

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.seconds.push(latency.as_secs_f64());
    }

    /// Returns the smallest latency that this share of the answers does not exceed.
    pub(super) fn quantile(&mut self, share: f64) -> Option<f64> {
        self.seconds.sort_by(f64::total_cmp);
        let rank = (self.seconds.len() as f64 * share).ceil() as usize;
        self.seconds.get(rank.max(1) - 1).copied()
    }

    pub(super) fn tell(&mut self, figures: &mut Figures, suffix: &str) {
        for (name, share) in [("p50_ms", 0.50), ("p99_ms", 0.99)] {
            if let Some(seconds) = self.quantile(share) {
                figures.insert(format!("{name}{suffix}"), milliseconds(seconds));
            }
        }
    }
}

/// Probes, and returns how many requests were answered in time, and their latency. A wrong answer
/// is an error.
pub(super) async fn run(
    target: &Target,
    probes: usize,
    figures: &mut Figures,
    suffix: &str,
) -> Result<()> {
    let mut pace = interval(PAUSE);
    let mut asking = JoinSet::new();
    for _ in 0..probes {
        pace.tick().await;
        let target = target.clone();
        asking.spawn(async move {
            let began = Instant::now();
            let page = async { target.open().await?.page().await };
            Ok::<_, anyhow::Error>(match timeout(LATE, page).await {
                Ok(answered) => {
                    answered?;
                    Some(began.elapsed())
                }
                Err(_) => None,
            })
        });
    }
    let mut latencies = Latencies::default();
    let mut answered = 0.0;
    while let Some(probe) = asking.join_next().await {
        if let Some(latency) = probe?? {
            answered += 1.0;
            latencies.add(latency);
        }
    }
    figures.insert(format!("answered{suffix}"), answered);
    // Quantiles of the answered requests alone would favour servers that answer few of them.
    if answered as usize == probes {
        latencies.tell(figures, suffix);
    }
    Ok(())
}

/// Probes, with the server's own metrics of the same time.
pub(super) async fn told(
    target: &Target,
    probes: usize,
    figures: &mut Figures,
    suffix: &str,
) -> Result<()> {
    let before = metrics::heads(target).await?;
    run(target, probes, figures, suffix).await?;
    let after = metrics::heads(target).await?;
    let quantile = before
        .zip(after)
        .and_then(|(before, after)| after.since(&before).quantile(0.99));
    if let Some(seconds) = quantile {
        figures.insert(format!("server_p99_ms{suffix}"), milliseconds(seconds));
    }
    Ok(())
}
