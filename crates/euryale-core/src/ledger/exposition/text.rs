//! Prometheus text format, version 0.0.4.

use std::fmt::{self, Write};

use crate::ledger::{Counter, Gauge, Histogram};

pub(super) struct Exposition(String);

impl Exposition {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(8 << 10))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {}", gauge.get()));
    }

    pub(super) fn peaked(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.gauge(name, help, gauge);
        self.head(
            &format!("{name}_peak"),
            "The greatest value so far.",
            "gauge",
        );
        self.line(format_args!("{name}_peak {}", gauge.peak()));
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, help, "counter");
        self.line(format_args!("{name} {}", counter.get()));
    }

    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counters: [(&str, &Counter); N],
    ) {
        self.counts(
            name,
            help,
            label,
            &counters.map(|(value, counter)| (value, counter.get())),
        );
    }

    pub(super) fn counts(&mut self, name: &str, help: &str, label: &str, counts: &[(&str, u64)]) {
        self.head(name, help, "counter");
        for (value, count) in counts {
            self.line(format_args!("{name}{{{label}=\"{value}\"}} {count}"));
        }
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        self.buckets(name, "", histogram);
    }

    pub(super) fn buckets(&mut self, name: &str, label: &str, histogram: &Histogram) {
        let (comma, labels) = if label.is_empty() {
            ("", String::new())
        } else {
            (",", format!("{{{label}}}"))
        };
        for (bound, count) in histogram.cumulative() {
            self.line(format_args!(
                "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {count}"
            ));
        }
        let count = histogram.count();
        self.line(format_args!(
            "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {count}"
        ));
        self.line(format_args!(
            "{name}_sum{labels} {}",
            histogram.sum().as_secs_f64()
        ));
        self.line(format_args!("{name}_count{labels} {count}"));
    }
}

/// The value of a label that this crate did not choose: `\`, `"` and line feeds are escaped,
/// nothing else is.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
