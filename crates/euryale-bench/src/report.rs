//! The results: Markdown for people, JSON for programs, and whether the bars were met.

mod curve;
pub(crate) mod goals;
mod list;
mod plot;
mod table;

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

pub(crate) use self::curve::curve;
pub(crate) use self::goals::Goal;
pub(crate) use self::list::list;
pub(crate) use self::plot::{file_name, svg};
#[cfg(test)]
pub(crate) use self::table::best_peer;
pub(crate) use self::table::section;
use crate::cli::Options;
use crate::machine::Machine;
use crate::netns::Network;
use crate::rounds::Section;
use crate::workload::{Plan, Workload};

/// A workload that was run.
pub(crate) struct Report<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) plans: Vec<Plan>,
    pub(crate) sections: Vec<Section>,
}

impl Report<'_> {
    pub(crate) fn has_failures(&self) -> bool {
        self.sections.iter().any(Section::has_failures)
    }

    /// The bars of all sections.
    pub(crate) fn goals(&self) -> impl Iterator<Item = Goal> {
        let pairs = self.plans.iter().zip(&self.sections);
        pairs.flat_map(|(plan, section)| Goal::of(plan, section))
    }

    /// The workload, its sections, and the versions that were measured.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        line(
            &mut out,
            format_args!("# {}\n\n{}", self.workload.name, self.workload.about),
        );
        line(&mut out, format_args!("Goal: {}.", self.workload.goal));
        for (plan, runs) in self.plans.iter().zip(&self.sections) {
            out.push_str(&section(plan, runs));
        }
        line(
            &mut out,
            format_args!("\n| server | what it is | version |\n|---|---|---|"),
        );
        for (name, about, version) in self.versions() {
            line(&mut out, format_args!("| `{name}` | {about} | {version} |"));
        }
        out
    }

    /// The peers that were run, without repetition.
    fn versions(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut versions: Vec<(_, _, String)> = Vec::new();
        let pairs = self.plans.iter().zip(&self.sections);
        for (case, runs) in pairs.flat_map(|(plan, section)| plan.cases.iter().zip(&section.cases))
        {
            let is_known = versions.iter().any(|(name, ..)| *name == case.peer.name);
            if runs.missing.is_none() && !is_known {
                versions.push((case.peer.name, case.peer.about, case.peer.version()));
            }
        }
        versions
    }
}

/// The conditions of all measurements: the machine and the settings.
pub(crate) fn preamble(machine: &Machine, network: &Network, options: &Options) -> String {
    let mut out = String::new();
    let Options { runs, patience, .. } = options;
    line(&mut out, format_args!("* machine: {}", machine.sentence()));
    line(&mut out, format_args!("* network: {}", network.sentence()));
    line(
        &mut out,
        format_args!("* {runs} rounds in which the cases take turns, each run on a new server"),
    );
    line(
        &mut out,
        format_args!(
            "* figures: median (min–max) of the runs that did not fail; 1 GB is 10⁹ bytes"
        ),
    );
    line(
        &mut out,
        format_args!(
            "* server CPU: user and system time of the server's process tree, in the load"
        ),
    );
    let repeated = if *patience > 0 {
        "; a run that they disturbed was repeated"
    } else {
        ""
    };
    line(
        &mut out,
        format_args!("* others: CPU that neither server nor client used{repeated}\n"),
    );
    out
}

pub(crate) fn json(
    reports: &[Report<'_>],
    machine: &Machine,
    network: &Network,
    options: &Options,
) -> Result<String> {
    let workload = |report: &Report<'_>| {
        let versions = report
            .versions()
            .into_iter()
            .map(|(name, _, version)| (name, version));
        json!({
            "workload": report.workload.name,
            "versions": versions.collect::<std::collections::BTreeMap<_, _>>(),
            "sections": report.sections,
        })
    };
    let reports: Vec<_> = reports.iter().map(workload).collect();
    let document = json!({
        "machine": machine,
        "network": network,
        "runs": options.runs,
        "patience": options.patience,
        "workloads": reports,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
