//! Medians, and the ratios of two cases.

use serde::Serialize;

/// A median with its extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` if there are no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let min = *values.first()?;
        let max = *values.last()?;
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Self { median, min, max })
    }

    /// The ratios of two cases, round by round. Rounds in which one of them failed are left out.
    pub(crate) fn of_ratios(case: &[Option<f64>], base: &[Option<f64>]) -> Option<Self> {
        let ratios = case
            .iter()
            .zip(base)
            .filter_map(|(case, base)| Some((*case)? / (*base)?));
        // There is no ratio to zero, such as a CPU time below a clock tick.
        Self::of(ratios.filter(|ratio| ratio.is_finite()))
    }

    /// `median (min–max)`, or the only value.
    pub(crate) fn show(&self, digits: usize) -> String {
        if self.min.total_cmp(&self.max).is_eq() {
            return format!("{:.digits$}", self.median);
        }
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            self.median, self.min, self.max
        )
    }
}
