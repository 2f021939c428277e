//! The numbers of the last two minutes. Samples are taken only while the page has viewers, so it
//! costs nothing otherwise.

use std::collections::VecDeque;
use std::time::Duration;

use euryale_core::ledger::{Distribution, Figures, Histogram};
use tokio::time::Instant;

/// The age up to which samples are kept.
pub(super) const KEPT: Duration = Duration::from_secs(120);

/// The minimum interval between samples, so that many viewers do not cause more of them.
const APART: Duration = Duration::from_millis(900);

/// The number of seconds over which a rate per second is averaged.
const SMOOTH: Duration = Duration::from_secs(4);

/// Samples that are further apart than this have a gap between them, in which there was no viewer.
const GAP: Duration = Duration::from_secs(5);

/// The cumulative counts up to each bound of a histogram, and the total.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counts([u64; Histogram::BOUNDS.len() + 1]);

impl Counts {
    pub(super) fn of(durations: &Distribution) -> Self {
        let mut counts = [durations.count; Histogram::BOUNDS.len() + 1];
        counts[..Histogram::BOUNDS.len()].copy_from_slice(&durations.cumulative);
        Self(counts)
    }

    /// Returns the counts since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.0;
        counts
            .iter_mut()
            .zip(earlier.0)
            .for_each(|(count, before)| *count = count.saturating_sub(before));
        Self(counts)
    }

    pub(super) fn total(&self) -> u64 {
        self.0[Histogram::BOUNDS.len()]
    }

    /// Returns the quantile for `share`, in seconds, interpolated within its bucket like
    /// Prometheus' `histogram_quantile`. It is infinite beyond the last bound, and `None` if
    /// nothing was counted.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of requests are below 2^53"
    )]
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = share * total as f64;
        let mut lower = 0.0;
        let mut below = 0;
        for (bound, count) in Histogram::BOUNDS.iter().zip(self.0) {
            if count as f64 >= rank {
                let within = (rank - below as f64) / (count.saturating_sub(below).max(1)) as f64;
                return Some(lower + (bound - lower) * within);
            }
            (lower, below) = (*bound, count);
        }
        Some(f64::INFINITY)
    }
}

/// The numbers at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) running: i64,
    pub(super) waiting: i64,
    pub(super) sendfile: u64,
    pub(super) read: u64,
    pub(super) ended: u64,
    pub(super) waits: Counts,
    pub(super) publishing: Counts,
    pub(super) heads: Counts,
}

impl Sample {
    pub(super) fn of(all: &Figures, at: Instant) -> Self {
        let sent = |path| positive(all.number("euryale_blob_bytes_total", &[("path", path)]));
        let ended = [
            "euryale_transactions_committed_total",
            "euryale_transactions_aborted_total",
            "euryale_transactions_in_doubt_total",
        ];
        let durations = |name| Counts::of(&all.durations(name, &[]));
        Self {
            at,
            running: all.number("euryale_publishers_running", &[]),
            waiting: all.number("euryale_queue_depth", &[]),
            sendfile: sent("sendfile"),
            read: sent("read"),
            ended: ended
                .map(|name| positive(all.number(name, &[])))
                .iter()
                .sum(),
            waits: durations("euryale_queue_wait_seconds"),
            publishing: durations("euryale_publish_seconds"),
            heads: durations("euryale_response_head_seconds"),
        }
    }
}

fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Sample>);

impl History {
    pub(super) fn add(&mut self, sample: &Sample) {
        while self
            .0
            .front()
            .is_some_and(|first| sample.at.duration_since(first.at) > KEPT)
        {
            self.0.pop_front();
        }
        if self
            .0
            .back()
            .is_none_or(|last| sample.at.duration_since(last.at) >= APART)
        {
            self.0.push_back(sample.clone());
        }
    }

    /// Returns the last minute up to `now`, or the part of it for which there are samples.
    pub(super) fn recent(&self, now: &Sample) -> Option<Recent> {
        let old_enough = |sample: &&Sample| now.at.duration_since(sample.at) <= KEPT / 2;
        let from = self
            .0
            .iter()
            .find(old_enough)
            .filter(|from| now.at.duration_since(from.at) >= APART)?;
        Some(Recent {
            span: now.at.duration_since(from.at),
            waits: now.waits.since(&from.waits),
            publishing: now.publishing.since(&from.publishing),
            heads: now.heads.since(&from.heads),
        })
    }

    /// Returns how much `of` grows per second.
    pub(super) fn rate(&self, now: &Sample, of: fn(&Sample) -> u64) -> Option<f64> {
        let before = self
            .0
            .iter()
            .rev()
            .find(|sample| now.at.duration_since(sample.at) >= SMOOTH);
        rate(before.or(self.0.front())?, now, of)
    }

    /// Returns each value of `of` with its age in seconds, and `None` for gaps.
    pub(super) fn values(&self, now: Instant, of: fn(&Sample) -> i64) -> Vec<Option<(f64, f64)>> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of requests are below 2^53"
        )]
        self.line(now, |_, sample| Some(of(sample) as f64))
    }

    /// Returns the growth of `of` per second at each sample.
    pub(super) fn rates(&self, now: Instant, of: fn(&Sample) -> u64) -> Vec<Option<(f64, f64)>> {
        self.line(now, |before, sample| rate(before?, sample, of))
    }

    fn line(
        &self,
        now: Instant,
        value: impl Fn(Option<&Sample>, &Sample) -> Option<f64>,
    ) -> Vec<Option<(f64, f64)>> {
        let mut before: Option<&Sample> = None;
        let mut line = Vec::with_capacity(self.0.len());
        for sample in &self.0 {
            before = before.filter(|before| sample.at.duration_since(before.at) <= GAP);
            if before.is_none() {
                line.push(None);
            }
            let age = now.duration_since(sample.at).as_secs_f64();
            line.extend(value(before, sample).map(|value| Some((age, value))));
            before = Some(sample);
        }
        line
    }
}

/// The latest counts.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) span: Duration,
    pub(super) waits: Counts,
    pub(super) publishing: Counts,
    pub(super) heads: Counts,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what one span brings is below 2^53"
)]
fn rate(from: &Sample, to: &Sample, of: fn(&Sample) -> u64) -> Option<f64> {
    let span = to.at.duration_since(from.at);
    (span >= APART / 2).then(|| of(to).saturating_sub(of(from)) as f64 / span.as_secs_f64())
}
