//! The charts at the top of the page.

use euryale_core::ledger::Figures;

use super::figures::Value;
use super::history::{History, KEPT, Sample};

/// The width of a chart, in seconds.
pub(super) const SPAN: f64 = KEPT.as_secs() as f64;

/// The chart of a number over the last two minutes.
pub(super) struct Trend {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) now: Value,
    /// The top of the chart, unless a value was higher.
    pub(super) scale: f64,
    pub(super) line: Vec<Option<(f64, f64)>>,
    /// The greatest possible value, if there is one.
    pub(super) cap: Option<i64>,
    pub(super) is_full: bool,
}

fn all_bytes(sample: &Sample) -> u64 {
    sample.sendfile + sample.read
}

/// The charts of the page.
#[expect(clippy::cast_precision_loss, reason = "a number of connections")]
pub(super) fn trends(all: &Figures, history: &History, now: &Sample) -> Vec<Trend> {
    let trend = |id, title, now, scale, line| Trend {
        id,
        title,
        now,
        scale,
        line,
        cap: None,
        is_full: false,
    };
    let cap = all.number("euryale_connections_cap", &[]);
    let requests: fn(&Sample) -> u64 = |sample| sample.heads.total();
    vec![
        Trend {
            cap: Some(cap),
            is_full: now.running >= cap,
            ..trend(
                "running",
                "Workers running",
                Value::Count(now.running),
                cap.max(1) as f64,
                history.values(now.at, |sample| sample.running),
            )
        },
        trend(
            "waiting",
            "Requests waiting",
            Value::Count(now.waiting),
            4.0,
            history.values(now.at, |sample| sample.waiting),
        ),
        trend(
            "requests",
            "Answers",
            Value::PerSecond(history.rate(now, requests)),
            4.0,
            history.rates(now.at, requests),
        ),
        trend(
            "blob_bytes",
            "Files sent",
            Value::BytesPerSecond(history.rate(now, all_bytes)),
            1024.0,
            history.rates(now.at, all_bytes),
        ),
    ]
}
