//! The three kinds of meters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A counter, which only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Returns the current value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A gauge, which goes up and down and keeps its maximum. Clones are handles to the same gauge.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Levels>);

#[derive(Debug, Default)]
struct Levels {
    now: AtomicI64,
    peak: AtomicI64,
}

impl Gauge {
    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        let now = self.0.now.fetch_add(n, Relaxed) + n;
        // Most changes are not peaks, and a load is cheaper than a read-modify-write.
        if now > self.0.peak.load(Relaxed) {
            self.0.peak.fetch_max(now, Relaxed);
        }
    }

    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.now.store(value, Relaxed);
        self.0.peak.fetch_max(value, Relaxed);
    }

    /// Returns the current value.
    pub fn get(&self) -> i64 {
        self.0.now.load(Relaxed)
    }

    /// Returns the maximum so far.
    pub fn peak(&self) -> i64 {
        self.0.peak.load(Relaxed)
    }
}

/// Adds to a gauge, and subtracts the same amount when it is dropped. It holds the gauge itself, so
/// a body or a blob can keep it without depending on the crate that counts.
#[derive(Debug)]
#[must_use]
pub struct GaugeGuard {
    gauge: Gauge,
    amount: i64,
}

impl GaugeGuard {
    /// Adds `amount` to `gauge`.
    ///
    /// ```
    /// use euryale_core::{Ledger, ledger::GaugeGuard};
    ///
    /// let ledger = Ledger::new();
    /// let open = GaugeGuard::new(&ledger.blobs.open, 1);
    /// assert_eq!(ledger.blobs.open.get(), 1);
    /// drop(open);
    /// assert_eq!(ledger.blobs.open.get(), 0);
    /// ```
    pub fn new(gauge: &Gauge, amount: i64) -> Self {
        gauge.add(amount);
        Self {
            gauge: gauge.clone(),
            amount,
        }
    }

    /// Adds `more`, which this guard will also subtract.
    pub fn grow(&mut self, more: i64) {
        self.gauge.add(more);
        self.amount += more;
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.gauge.add(-self.amount);
    }
}

/// Durations in fixed buckets, from 0.1 ms to 10 s. Between 1 and 100 ms, where people begin to
/// notice the wait, each bound is at most 1.5 times the one before.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanoseconds: AtomicU64,
}

const BOUNDS: [f64; 24] = [
    0.000_1, 0.000_25, 0.000_5, // below a millisecond
    0.001, 0.001_5, 0.002, 0.002_5, 0.003_5, 0.005, 0.007_5, // milliseconds
    0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, // tens of them
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

impl Histogram {
    /// Upper bounds of the buckets, in seconds.
    pub const BOUNDS: &'static [f64] = &BOUNDS;

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        bucket
            .map_or(&self.beyond, |bucket| &self.buckets[bucket])
            .fetch_add(1, Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .chain([&self.beyond])
            .map(|bucket| bucket.load(Relaxed))
            .sum()
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Relaxed))
    }

    /// Returns, for each bound, the number of durations that were at most as long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS.into_iter().zip(self.distribution().cumulative)
    }

    /// Returns the current values.
    pub fn distribution(&self) -> Distribution {
        let mut sum = 0;
        let cumulative = std::array::from_fn(|bucket| {
            sum += self.buckets[bucket].load(Relaxed);
            sum
        });
        Distribution {
            cumulative,
            count: sum + self.beyond.load(Relaxed),
            sum: self.sum(),
        }
    }
}

/// The durations of a histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distribution {
    /// For each of [`Histogram::BOUNDS`], the number of durations that were at most as long.
    pub cumulative: [u64; BOUNDS.len()],
    /// The number of durations.
    pub count: u64,
    /// The sum of all durations.
    pub sum: Duration,
}

impl Distribution {
    pub(super) fn add(&mut self, more: &Self) {
        for (count, more) in self.cumulative.iter_mut().zip(more.cumulative) {
            *count += more;
        }
        self.count += more.count;
        self.sum += more.sum;
    }
}
