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
        let ratios = pairs(case, base).map(|(case, base)| case / base);
        // There is no ratio to zero, such as a CPU time below a clock tick.
        Self::of(ratios.filter(|ratio| ratio.is_finite()))
    }

    /// The differences of two cases, round by round, without the rounds in which one failed.
    pub(crate) fn of_differences(case: &[Option<f64>], base: &[Option<f64>]) -> Option<Self> {
        Self::of(pairs(case, base).map(|(case, base)| case - base))
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

/// The rounds in which both cases were measured.
fn pairs<'a>(
    case: &'a [Option<f64>],
    base: &'a [Option<f64>],
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let pairs = case.iter().zip(base);
    pairs.filter_map(|(case, base)| case.zip(*base))
}
