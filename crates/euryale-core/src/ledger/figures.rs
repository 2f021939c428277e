//! All figures of a ledger at one moment.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Counter, Distribution, Gauge, Histogram};

/// All figures at one moment, by their names in `/metrics`. Books write them. Code that shows a
/// single figure reads it by name, so that it does not depend on the crate that counts it.
///
/// If two books have the same family, it contains the series of both; a series that both have is
/// the sum.
///
/// ```
/// use euryale_core::Ledger;
///
/// let ledger = Ledger::new();
/// ledger.transactions.stopped.deadline.add(2);
/// let figures = ledger.figures();
/// let stopped = "euryale_transactions_stopped_total";
/// assert_eq!(figures.number(stopped, &[("reason", "deadline")]), 2);
/// assert_eq!(figures.number("of_a_crate_that_is_not_there", &[]), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub(super) families: BTreeMap<Cow<'static, str>, Series>,
}

/// The series of one family.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) all: Vec<(Labels, Value)>,
}

pub(super) type Labels = Vec<(&'static str, String)>;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Durations that are counted in buckets.
    Histogram,
}

/// The value of a series.
#[derive(Clone, Debug)]
pub enum Value {
    /// The value of a counter.
    Count(u64),
    /// The value of a gauge.
    Level {
        /// The current value.
        now: i64,
        /// The maximum so far.
        peak: i64,
    },
    /// The value of a histogram.
    Durations(Box<Distribution>),
}

impl Figures {
    /// Adds a gauge.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, gauge: &Gauge) {
        self.family(name, help, Kind::Gauge).series(&[], gauge);
    }

    /// Adds a gauge, and its maximum so far as `{name}_peak`.
    pub fn peaked(&mut self, name: &'static str, help: &'static str, gauge: &Gauge) {
        self.gauge(name, help, gauge);
        self.peaks(name).series(&[], gauge.peak());
    }

    /// Adds a counter, whose name must end in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str, counter: &Counter) {
        self.family(name, help, Kind::Counter).series(&[], counter);
    }

    /// Adds counters that differ in one label.
    pub fn counters<'a>(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        counters: impl IntoIterator<Item = (&'a str, &'a Counter)>,
    ) {
        let mut family = self.family(name, help, Kind::Counter);
        for (value, counter) in counters {
            family.series(&[(label, value)], counter);
        }
    }

    /// Adds a histogram of durations in seconds, whose name must end in `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, histogram: &Histogram) {
        self.family(name, help, Kind::Histogram)
            .series(&[], histogram);
    }

    /// Adds a family whose series have their own labels. It is part of the exposition even if it
    /// has no series. If two books have a family of this name, the help and the type of the first
    /// one are used.
    pub fn family(&mut self, name: &'static str, help: &'static str, kind: Kind) -> Family<'_> {
        self.named(name.into(), help, kind)
    }

    /// Adds the family of the maximums of gauges, `{name}_peak`.
    pub fn peaks(&mut self, name: &'static str) -> Family<'_> {
        let name = format!("{name}_peak").into();
        self.named(name, "The greatest value so far.", Kind::Gauge)
    }

    fn named(&mut self, name: Cow<'static, str>, help: &'static str, kind: Kind) -> Family<'_> {
        let all = Vec::new();
        let series = self
            .families
            .entry(name)
            .or_insert(Series { help, kind, all });
        Family {
            others: series.all.len(),
            series,
        }
    }

    /// Returns the value of the counter or gauge with exactly these labels, or 0 if it does not
    /// exist.
    pub fn number(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        match self.value(name, labels) {
            Some(Value::Count(count)) => i64::try_from(*count).unwrap_or(i64::MAX),
            Some(Value::Level { now, .. }) => *now,
            Some(Value::Durations(_)) | None => 0,
        }
    }

    /// Returns the maximum so far of the gauge with exactly these labels, whether or not its peaks
    /// are a separate family; 0 if the gauge does not exist.
    pub fn peak(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        match self.value(name, labels) {
            Some(Value::Level { peak, .. }) => *peak,
            _ => 0,
        }
    }

    /// Returns the durations of the histogram with exactly these labels; no durations if it does
    /// not exist.
    pub fn durations(&self, name: &str, labels: &[(&str, &str)]) -> Distribution {
        match self.value(name, labels) {
            Some(Value::Durations(durations)) => (**durations).clone(),
            _ => Distribution::default(),
        }
    }

    /// Returns the series of a family, by the value of this label.
    pub fn by_label<'a>(
        &'a self,
        name: &str,
        label: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let series = self.families.get(name).into_iter();
        series
            .flat_map(|series| &series.all)
            .filter_map(move |(labels, value)| {
                let (_, of) = labels.iter().find(|(found, _)| *found == label)?;
                Some((of.as_str(), value))
            })
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Value> {
        let all = &self.families.get(name)?.all;
        let found = all.iter().find(|(found, _)| is_same(found, labels));
        found.map(|(_, value)| value)
    }
}

/// A family to which a book adds its series.
#[derive(Debug)]
pub struct Family<'a> {
    series: &'a mut Series,
    /// The number of series from other books.
    others: usize,
}

impl Family<'_> {
    /// Adds a series. The names of the labels are fixed. Their values may be anything, but there
    /// should be few of them.
    pub fn series(&mut self, labels: &[(&'static str, &str)], value: impl Into<Value>) {
        let value = value.into();
        let others = &mut self.series.all[..self.others];
        if let Some((_, sum)) = others.iter_mut().find(|(found, _)| is_same(found, labels)) {
            sum.add(value);
            return;
        }
        let labels = labels.iter().map(|(name, value)| (*name, (*value).into()));
        self.series.all.push((labels.collect(), value));
    }
}

fn is_same(labels: &Labels, asked: &[(&str, &str)]) -> bool {
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
    labels.eq(asked.iter().copied())
}

impl Value {
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(sum), Self::Count(more)) => *sum += more,
            // The peaks may have been at different moments, so the sum may be too large.
            (
                Self::Level { now, peak },
                Self::Level {
                    now: more,
                    peak: high,
                },
            ) => {
                *now += more;
                *peak += high;
            }
            (Self::Durations(sum), Self::Durations(more)) => sum.add(&more),
            // The type of the series differs from that of its family, which the first book has
            // determined.
            _ => {}
        }
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<i64> for Value {
    fn from(now: i64) -> Self {
        Self::Level { now, peak: now }
    }
}

impl From<&Counter> for Value {
    fn from(counter: &Counter) -> Self {
        Self::Count(counter.get())
    }
}

impl From<&Gauge> for Value {
    fn from(gauge: &Gauge) -> Self {
        Self::Level {
            now: gauge.get(),
            peak: gauge.peak(),
        }
    }
}

impl From<&Histogram> for Value {
    fn from(histogram: &Histogram) -> Self {
        Self::Durations(Box::new(histogram.distribution()))
    }
}
