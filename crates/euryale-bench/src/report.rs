//! The result, as Markdown for people and as JSON for programs.

use std::fmt::Write;

use serde_json::json;

use crate::measure::Machine;
use crate::netns::Network;
use crate::rounds::{Run, Runs, Section};
use crate::statistics::Spread;
use crate::workload::{Bar, Workload};
use crate::{Options, wrk};

pub(crate) struct Report<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) options: &'a Options,
    pub(crate) network: &'a Network,
    pub(crate) machine: &'a Machine,
    pub(crate) sections: &'a [Section],
}

/// The workloads and their cases.
pub(crate) fn list(workloads: &[&Workload]) -> String {
    let mut out = String::new();
    for workload in workloads {
        line(&mut out, format_args!("{}: {}", workload.name, workload.about));
        for case in workload.cases {
            let note = if case.by_default { "" } else { " (only when named)" };
            line(&mut out, format_args!("  {:18} {}{note}", case.name, case.about));
        }
        for Bar { case, base, most } in workload.bars {
            line(&mut out, format_args!("  bar: CPU of {case} at most {most:.2} times that of {base}"));
        }
    }
    out
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        let Machine { cores, processor, kernel, load } = self.machine;
        let Options { runs, connections, seconds, patience, .. } = self.options;
        let arguments = wrk::arguments(*connections, *seconds).join(" ");
        line(&mut out, format_args!("# {}\n\n{}\n", self.workload.name, self.workload.about));
        line(&mut out, format_args!("* machine: {cores} cores, {processor}, Linux {kernel}; load {load}"));
        line(&mut out, format_args!("* network: {}", self.network.sentence()));
        line(
            &mut out,
            format_args!("* load: `wrk {arguments}`, {runs} rounds in which the cases take turns"),
        );
        line(&mut out, format_args!("* figures: median (min–max) of the runs that did not fail"));
        let repeated = if *patience > 0 { "; a run that they disturbed was repeated" } else { "" };
        line(&mut out, format_args!("* others: CPU that neither server nor load used{repeated}"));
        for section in self.sections {
            line(&mut out, format_args!("\n## cap {}\n", section.cap));
            out.push_str(&cases(section));
            out.push_str(&failures(section));
            out.push_str(&bars(self.workload.bars, section));
        }
        out
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let Machine { cores, processor, kernel, load } = self.machine;
        let Options { runs, seconds, connections, .. } = self.options;
        let mut text = serde_json::to_string_pretty(&json!({
            "workload": self.workload.name,
            "machine": { "cores": cores, "processor": processor, "kernel": kernel, "load": load },
            "network": self.network,
            "options": { "runs": runs, "seconds": seconds, "connections": connections },
            "sections": self.sections,
        }))?;
        text.push('\n');
        Ok(text)
    }
}

fn cases(section: &Section) -> String {
    let mut out = String::new();
    let heads = [
        "case",
        "CPU µs/request",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "switches/request",
        "peak RSS MiB",
        "others, cores",
        "failed",
    ];
    line(&mut out, format_args!("| {} |\n|---|{}", heads.join(" | "), "---:|".repeat(heads.len() - 1)));
    for runs in &section.cases {
        let median = |digits: usize, value: fn(&Run) -> f64| {
            spread(runs, value).map_or("–".to_owned(), |spread| format!("{:.digits$}", spread.median))
        };
        let full = |digits: usize, value: fn(&Run) -> f64| {
            spread(runs, value).map_or("–".to_owned(), |spread| spread.show(digits))
        };
        let cells = [
            format!("`{}`", runs.case),
            full(2, |run| run.cpu_per_request),
            full(0, |run| run.requests_per_second),
            median(2, |run| run.p50),
            median(2, |run| run.p99),
            median(2, |run| run.switches_per_request),
            median(1, |run| run.peak_memory as f64 / f64::from(1 << 20)),
            full(2, |run| run.disturbance),
            format!("{}/{}", runs.failures().count(), runs.rounds.len()),
        ];
        line(&mut out, format_args!("| {} |", cells.join(" | ")));
    }
    out
}

fn failures(section: &Section) -> String {
    let mut out = String::new();
    for runs in &section.cases {
        let mut reasons: Vec<&str> = runs.failures().collect();
        reasons.dedup();
        for reason in reasons {
            line(&mut out, format_args!("\n**`{}` failed**: {reason}", runs.case));
        }
    }
    out
}

/// The bars of cases that were measured.
fn bars(bars: &[Bar], section: &Section) -> String {
    let mut out = String::new();
    for Bar { case, base, most } in bars {
        let (Some(measured), Some(against)) = (section.case(case), section.case(base)) else { continue };
        let cpu = |runs: &Runs| runs.values(|run| run.cpu_per_request);
        let (ratio, verdict) = match Spread::of_ratios(&cpu(measured), &cpu(against)) {
            Some(ratio) if ratio.median <= *most => (ratio.show(2), "met"),
            Some(ratio) => (ratio.show(2), "**missed**"),
            None => ("–".to_owned(), "not measured"),
        };
        if out.is_empty() {
            out.push_str("\n| CPU ratio, round by round | median (min–max) | bar | |\n|---|---:|---:|---|\n");
        }
        line(&mut out, format_args!("| `{case}` / `{base}` | {ratio} | {most:.2} | {verdict} |"));
    }
    out
}

fn spread(runs: &Runs, value: impl Fn(&Run) -> f64) -> Option<Spread> {
    Spread::of(runs.values(value).into_iter().flatten())
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
