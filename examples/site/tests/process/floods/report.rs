//! The bars, the table of results, and the failures.

use std::any::Any;
use std::time::Duration;

use super::client::Tally;
use super::probe::Heard;

/// The bars of a flood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bars {
    /// The factor for latencies; 1 on a machine that has nothing else to do.
    pub(super) times: u32,
}

impl Bars {
    /// The bar for the p99 of pages.
    fn page(self, quiet: Duration) -> Duration {
        (4 * quiet).max(Duration::from_millis(60)) * self.times
    }

    /// The bar for every single answer to `/livez`: a health check has no percentiles.
    fn live(self) -> Duration {
        Duration::from_millis(50) * self.times
    }

    /// The time within which memory must be returned.
    pub(super) fn settles(self) -> Duration {
        Duration::from_secs(30)
    }

    /// Returns whether the memory, in KiB, is within 32 MiB of its starting value.
    pub(super) fn is_given_back(self, before: u64, after: u64) -> bool {
        after <= before + (32 << 10)
    }
}

/// The results of one flood. Memory is in KiB.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) clients: usize,
    /// The maximum growth of the memory, in MiB.
    pub(super) growth: u64,
    pub(super) was_on: bool,
    pub(super) quiet: Heard,
    pub(super) heard: Heard,
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
    /// The time between the end of the flood and `after`.
    pub(super) settled: Duration,
    pub(super) tally: Tally,
}

impl Row {
    fn failures(&self, bars: Bars) -> Vec<String> {
        let mut failures = Vec::new();
        let pages = &self.heard.pages;
        let live = &self.heard.live;
        if !self.was_on {
            failures.push("the flood never reached the site".to_owned());
        }
        let phases = [("in quiet", &self.quiet), ("under the flood", &self.heard)];
        for (when, heard) in phases {
            for (what, answers) in [("pages", &heard.pages), ("/livez", &heard.live)] {
                for (failure, count) in &answers.failures {
                    let all = answers.count();
                    failures.push(format!("{what} {when}: {count} of {all}: {failure}"));
                }
            }
        }
        let bar = bars.page(self.quiet.pages.p99());
        if pages.p99() >= bar {
            let p99 = pages.p99();
            failures.push(format!("page p99 is {p99:.1?}, not below {bar:.1?}"));
        }
        if live.worst() >= bars.live() {
            failures.push(format!(
                "/livez took up to {:.1?}, not less than {:.1?} (p99 {:.1?})",
                live.worst(),
                bars.live(),
                live.p99()
            ));
        }
        let grown = self.peak.saturating_sub(self.before) >> 10;
        if grown > self.growth {
            let growth = self.growth;
            failures.push(format!(
                "memory grew by {grown} MiB, and may grow by {growth}"
            ));
        }
        if !bars.is_given_back(self.before, self.after) {
            failures.push(format!(
                "memory is {} MiB above its start {:.0?} after the flood",
                (self.after - self.before) >> 10,
                self.settled
            ));
        }
        failures
    }
}

/// Prints each row as soon as it is measured, and collects the failures.
pub(super) struct Report {
    bars: Bars,
    failures: Vec<String>,
}

impl Report {
    pub(super) fn new(bars: &Bars) -> Self {
        println!(
            "milliseconds: page p99 without and under the flood, its bar, the slowest page; \
             /livez p99 and its slowest (bar {})\n\
             MiB: resident memory before, at the peak, and after the given seconds (bar: before \
             + 32)\n",
            bars.live().as_millis()
        );
        println!(
            "{:<38} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>5} {:>6} {:>5}  parts",
            "flood",
            "clients",
            "quiet",
            "p99",
            "bar",
            "worst",
            "livez",
            "worst",
            "before",
            "peak",
            "after",
            "s"
        );
        Self {
            bars: *bars,
            failures: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: &Row) {
        let pages = &row.heard.pages;
        let live = &row.heard.live;
        let quiet = row.quiet.pages.p99();
        println!(
            "{:<38} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>5} {:>6} {:>5.1}  {}",
            row.name,
            row.clients,
            ms(quiet),
            ms(pages.p99()),
            ms(self.bars.page(quiet)),
            ms(pages.worst()),
            ms(live.p99()),
            ms(live.worst()),
            row.before >> 10,
            row.peak >> 10,
            row.after >> 10,
            row.settled.as_secs_f64(),
            row.tally
        );
        let failures = row.failures(self.bars);
        let failures = failures
            .into_iter()
            .map(|failure| format!("{}: {failure}", row.name));
        self.failures.extend(failures);
    }

    /// A flood that could not be measured.
    pub(super) fn failed(&mut self, name: &str, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let line = format!("{name}: {}", text.unwrap_or("a panic"));
        println!("{line}");
        self.failures.push(line);
    }

    pub(super) fn end(self) {
        let failures = self.failures.join("\n");
        assert!(failures.is_empty(), "\n{failures}");
    }
}

fn ms(latency: Duration) -> String {
    format!("{:.1}", latency.as_secs_f64() * 1e3)
}
