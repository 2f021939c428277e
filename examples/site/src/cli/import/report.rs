//! The output of an import: a progress bar, a line for each omitted entry, and a summary.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::batch::{Item, Verdict};
use super::plan::{Plan, Watch};
use super::source::shown;
use crate::cli::size;

/// The interval of progress lines where nothing can be redrawn.
const LINES: Duration = Duration::from_secs(5);

/// The number of bytes that take as long as one entry, because the bar shows time.
const ENTRY: u64 = 256 << 10;

/// The numbers by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    made: usize,
    changed: usize,
    unchanged: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::New => self.made += 1,
            Verdict::Other(_) => self.changed += 1,
            Verdict::Same => self.unchanged += 1,
            Verdict::Blocked(_) => {}
        }
    }

    fn text(&self) -> String {
        format!(
            "{} made, {} changed, {} unchanged",
            self.made, self.changed, self.unchanged
        )
    }
}

/// The progress so far.
#[derive(Debug)]
pub(super) struct Report {
    documents: Counts,
    files: Counts,
    /// Of files that were made or changed.
    bytes: u64,
    left_out: usize,
    hidden: u64,
    began: Instant,
    bar: ProgressBar,
    total: Total,
    /// Finished entries, and some bytes of the unfinished one.
    done: Total,
    passed: Total,
    /// Bytes that were read and not skipped.
    copied: u64,
    next_line: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    entries: usize,
    bytes: u64,
}

impl Report {
    /// With a bar on standard error, if that is a terminal.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(style("{spinner} {msg}"));
        let began = Instant::now();
        Self {
            documents: Counts::default(),
            files: Counts::default(),
            bytes: 0,
            left_out: 0,
            hidden: 0,
            began,
            bar,
            total: Total::default(),
            done: Total::default(),
            passed: Total::default(),
            copied: 0,
            next_line: began + LINES,
        }
    }

    /// Everything is counted, and copying begins.
    pub(super) fn begin(&mut self, plan: &Plan) {
        self.total = Total {
            entries: plan.entries.len(),
            bytes: plan.size,
        };
        self.hidden = plan.hidden;
        self.bar.set_style(style("{bar:24} {msg}, {eta} left"));
        self.bar.reset();
        self.bar
            .set_length(plan.size + ENTRY * plan.entries.len() as u64);
    }

    /// Notes that bytes of an entry were copied.
    pub(super) fn copied(&mut self, bytes: u64) {
        self.done.bytes += bytes;
        self.copied += bytes;
        self.bar.inc(bytes);
        self.show();
    }

    /// Notes that an entry of the given size is finished, copied or not.
    pub(super) fn passed(&mut self, size: u64) {
        self.passed.entries += 1;
        self.passed.bytes += size;
        self.done = self.passed;
        self.bar
            .set_position(self.done.bytes + ENTRY * self.done.entries as u64);
        self.show();
    }

    fn show(&mut self) {
        if self.bar.is_hidden() {
            self.show_line(Self::so_far);
        } else {
            self.bar.set_message(self.so_far());
        }
    }

    fn so_far(&self) -> String {
        let Total { entries, bytes } = &self.done;
        let millis = u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        format!(
            "{entries} of {} entries, {} of {} ({}/s)",
            self.total.entries,
            size::shown(*bytes),
            size::shown(self.total.bytes),
            size::shown(self.copied.saturating_mul(1000) / millis),
        )
    }

    fn show_line(&mut self, text: impl Fn(&Self) -> String) {
        if Instant::now() >= self.next_line {
            eprintln!("{}", text(self));
            self.next_line = Instant::now() + LINES;
        }
    }

    /// The final result for `item`.
    pub(super) fn became(&mut self, source: &Path, item: &Item, verdict: &Verdict) {
        match verdict {
            Verdict::Blocked(reason) => return self.left_out(source, reason),
            Verdict::New | Verdict::Other(_) => self.bytes += item.size(),
            Verdict::Same => {}
        }
        let counts = if item.is_file() {
            &mut self.files
        } else {
            &mut self.documents
        };
        counts.add(verdict);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left_out == 0
    }

    /// Removes the bar, and prints a summary in one line.
    pub(super) fn end(&self) -> String {
        self.bar.finish_and_clear();
        let mut line = format!(
            "documents: {} - files: {}, {} copied - left out: {}",
            self.documents.text(),
            self.files.text(),
            size::shown(self.bytes),
            self.left_out,
        );
        if self.hidden > 0 {
            // Writing to a string does not fail.
            let _ = write!(line, ", and {} hidden", self.hidden);
        }
        let _ = writeln!(line, " - {:.1} s", self.began.elapsed().as_secs_f64());
        line
    }
}

impl Watch for Report {
    fn found(&mut self, entries: usize) {
        if self.bar.is_hidden() {
            self.show_line(|_| format!("{entries} entries found"));
        } else {
            self.bar.set_message(format!("{entries} entries found"));
            self.bar.tick();
        }
    }

    fn left_out(&mut self, source: &Path, reason: &str) {
        self.left_out += 1;
        self.bar
            .suspend(|| eprintln!("left out: {} - {reason}", shown(source)));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
