//! The list of workloads.

use super::line;
use crate::cli::Options;
use crate::peers::Peer;
use crate::workload::{State, Workload};

/// The workloads with their tables and servers, and what is missing on this machine.
pub(crate) fn list(workloads: &[Workload], options: &Options) -> String {
    let mut out = String::new();
    let mut all: Vec<&Peer> = Vec::new();
    for workload in workloads {
        line(
            &mut out,
            format_args!("{}: {}", workload.name, workload.about),
        );
        line(&mut out, format_args!("  goal: {}", workload.goal));
        let plans = match workload.state {
            State::Waiting | State::Theming | State::Postgres => continue,
            State::Rounds(plans) | State::Sizes(plans) => plans(options),
        };
        let mut names = Vec::new();
        for plan in &plans {
            line(&mut out, format_args!("  table: {}", plan.title));
            for case in &plan.cases {
                let named = if case.by_default {
                    ""
                } else {
                    " (only when named)"
                };
                names.push(format!("{}{named}", case.peer.name));
                all.push(case.peer);
            }
        }
        names = unique(names);
        line(&mut out, format_args!("  servers: {}", names.join(", ")));
    }
    line(&mut out, format_args!("\nservers:"));
    let mut seen = Vec::new();
    for peer in all {
        if !seen.contains(&peer.name) {
            seen.push(peer.name);
            let missing = peer
                .missing()
                .map(|missing| format!("; {missing}"))
                .unwrap_or_default();
            line(
                &mut out,
                format_args!("  {:18} {}{missing}", peer.name, peer.about),
            );
        }
    }
    out
}

fn unique(names: Vec<String>) -> Vec<String> {
    names.into_iter().fold(Vec::new(), |mut kept, name| {
        if !kept.contains(&name) {
            kept.push(name);
        }
        kept
    })
}
