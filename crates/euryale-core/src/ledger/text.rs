//! Prometheus text format, version 0.0.4.

use std::fmt::{self, Write};

use super::figures::{Figures, Labels, Value};
use super::{Distribution, Histogram};

pub(super) fn write(figures: &Figures) -> String {
    let mut out = Text(String::with_capacity(32 << 10));
    for (name, series) in &figures.families {
        out.line(format_args!("# HELP {name} {}", series.help));
        out.line(format_args!("# TYPE {name} {}", series.kind.name()));
        for (labels, value) in &series.all {
            let braces = Braces(labels, None);
            match value {
                Value::Count(count) => out.line(format_args!("{name}{braces} {count}")),
                Value::Level { now, .. } => out.line(format_args!("{name}{braces} {now}")),
                Value::Durations(durations) => out.buckets(name, labels, durations),
            }
        }
    }
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn buckets(&mut self, name: &str, labels: &Labels, durations: &Distribution) {
        for (bound, count) in Histogram::BOUNDS.iter().zip(durations.cumulative) {
            let braces = Braces(labels, Some(bound));
            self.line(format_args!("{name}_bucket{braces} {count}"));
        }
        let Distribution { count, sum, .. } = durations;
        let braces = Braces(labels, Some(&"+Inf"));
        self.line(format_args!("{name}_bucket{braces} {count}"));
        let braces = Braces(labels, None);
        self.line(format_args!("{name}_sum{braces} {}", sum.as_secs_f64()));
        self.line(format_args!("{name}_count{braces} {count}"));
    }
}

/// Labels in braces, with the bound of a bucket as the last one. Writes nothing if there are no
/// labels.
struct Braces<'a>(&'a Labels, Option<&'a dyn fmt::Display>);

impl fmt::Display for Braces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, bound) = self;
        let mut before = '{';
        for (name, value) in *labels {
            write!(f, "{before}{name}=\"{}\"", Escaped(value))?;
            before = ',';
        }
        if let Some(bound) = bound {
            write!(f, "{before}le=\"{bound}\"")?;
            before = ',';
        }
        if before == '{' {
            return Ok(());
        }
        f.write_char('}')
    }
}

/// The value of a label. Only `\`, `"` and line feeds are escaped.
struct Escaped<'a>(&'a str);

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
