//! The counters of a crate, declared beside its code.

use std::any::Any;
use std::fmt;

use super::{Figures, Gauge};

/// The counters of one crate. [`Ledger::of`](super::Ledger::of) has an example.
pub trait Book: Any + fmt::Debug + Send + Sync {
    /// Adds every figure, including zeros, so that a series exists before anything has happened.
    /// Names, labels and units follow Prometheus' conventions, and are an interface.
    fn figures(&self, figures: &mut Figures);

    /// Names everything that is held now and must be returned. Default: nothing.
    fn unsettled(&self, _unsettled: &mut Unsettled) {}
}

/// Collects lines about resources that are still held.
#[derive(Debug, Default)]
pub struct Unsettled(Vec<String>);

impl Unsettled {
    /// Adds a line for this gauge, unless it is zero.
    pub fn gauge(&mut self, what: &str, gauge: &Gauge) {
        if gauge.get() != 0 {
            self.line(format_args!("{what}: {}", gauge.get()));
        }
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.0.push(line.to_string());
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.0
    }
}
