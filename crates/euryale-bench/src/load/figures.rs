//! The observations of a client.

use std::collections::BTreeMap;

/// The observations, by name. Some names have a meaning for all loads: `requests` and `bytes`.
pub(crate) type Figures = BTreeMap<String, f64>;

pub(super) fn figures<const N: usize>(figures: [(&str, f64); N]) -> Figures {
    figures
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Percentiles of durations, in milliseconds.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    seconds * 1e3
}
