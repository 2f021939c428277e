//! What there is to measure.

use super::line;
use crate::cli::Options;
use crate::workload::{State, Workload};

/// The workloads, their cases, and what is missing here.
pub(crate) fn list(workloads: &[Workload], options: &Options) -> String {
    let mut out = String::new();
    for workload in workloads {
        line(&mut out, format_args!("{}: {}", workload.name, workload.about));
        line(&mut out, format_args!("  goal: {}", workload.goal));
        match workload.state {
            State::Later(what) => line(&mut out, format_args!("  cannot run yet: it waits for {what}")),
            State::Waiting => {}
            State::Rounds(plans) => {
                for plan in plans(options) {
                    line(&mut out, format_args!("  {}", plan.title));
                    for case in &plan.cases {
                        let named = if case.by_default { "" } else { " (only when named)" };
                        let missing = case.peer.missing().map(|missing| format!(": {missing}")).unwrap_or_default();
                        line(&mut out, format_args!("    {:18} {}{named}{missing}", case.name, case.peer.about));
                    }
                }
            }
        }
    }
    out
}
