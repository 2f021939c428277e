//! The metrics of our own server: `/metrics` at its admin listener.

use anyhow::{Context, Result};

use super::http::Socket;
use super::target::Target;

const HEAD_SECONDS: &str = "euryale_response_head_seconds";
const PUBLISH_SECONDS: &str = "euryale_publish_seconds";

/// A histogram: the upper bounds in seconds, and the number of values up to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Parses it from the text of the exposition.
    pub(crate) fn read(text: &str, name: &str) -> Self {
        let start = format!("{name}_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&start)?.split_once("\"} ")?;
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().ok()?
            };
            Some((bound, count.trim().parse().ok()?))
        };
        Self(text.lines().filter_map(bucket).collect())
    }

    /// The increase since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let pairs = self.0.iter().zip(&before.0);
        Self(
            pairs
                .map(|((bound, now), (_, before))| (*bound, now - before))
                .collect(),
        )
    }

    /// Returns the upper bound of the bucket that holds this quantile. A histogram cannot say more.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let all = self
            .0
            .last()
            .map(|(_, count)| *count)
            .filter(|count| *count > 0.0)?;
        self.0
            .iter()
            .find(|(_, count)| *count >= all * share)
            .map(|(bound, _)| *bound)
    }
}

/// Returns the exposition, or `None` if the server has no metrics.
pub(super) async fn ask(target: &Target) -> Result<Option<String>> {
    let Some(admin) = target.admin else {
        return Ok(None);
    };
    let admin = Target {
        to: admin,
        ..target.clone()
    };
    let mut socket: Socket = admin.open().await?;
    socket.ask("/metrics").await?;
    socket
        .answer()
        .await
        .context("asking for metrics")
        .map(Some)
}

/// Returns the histogram of the time until the head of a response.
pub(super) async fn heads(target: &Target) -> Result<Option<Buckets>> {
    Ok(ask(target)
        .await?
        .map(|text| Buckets::read(&text, HEAD_SECONDS)))
}

/// Returns the mean time that a publication held a worker, in seconds. `None` if there was no
/// publication, or the server does not say.
pub(super) async fn publish_mean(target: &Target) -> Result<Option<f64>> {
    let Some(text) = ask(target).await? else {
        return Ok(None);
    };
    let of = |what| value(&text, &format!("{PUBLISH_SECONDS}_{what}"));
    Ok(of("sum")
        .zip(of("count"))
        .filter(|(_, count)| *count > 0.0)
        .map(|(sum, count)| sum / count))
}

/// The value of a gauge or counter without labels.
pub(super) fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}
