//! A table for each section: cases, failures, bars.

use super::goals::{self, Goal};
use super::line;
use crate::rounds::{Runs, Section};
use crate::statistics::Spread;
use crate::workload::{Column, Plan};

/// The end of every table.
const COMMON: [Column; 4] = [
    Column {
        key: "cpu_seconds",
        title: "server CPU s",
        digits: 2,
        more_is_better: false,
    },
    Column {
        key: "client_cpu_seconds",
        title: "client CPU s",
        digits: 2,
        more_is_better: false,
    },
    Column {
        key: "peak_memory_mib",
        title: "peak RSS MiB",
        digits: 1,
        more_is_better: false,
    },
    Column {
        key: "disturbance",
        title: "others, cores",
        digits: 2,
        more_is_better: false,
    },
];

/// A section's heading, table, failures and bars.
pub(crate) fn section(plan: &Plan, section: &Section) -> String {
    let mut out = String::new();
    line(&mut out, format_args!("\n## {}\n", section.title));
    loads(&mut out, plan);
    cases(&mut out, plan, section);
    failures(&mut out, section);
    out.push_str(&goals::of_table(&Goal::of(plan, section)));
    out
}

/// The load, printed once if it is the same for all.
fn loads(out: &mut String, plan: &Plan) {
    let mut sentences: Vec<_> = plan.cases.iter().map(|case| case.load.sentence()).collect();
    sentences.dedup();
    for sentence in sentences {
        line(out, format_args!("* load: {sentence}"));
    }
    out.push('\n');
}

fn cases(out: &mut String, plan: &Plan, section: &Section) {
    let Some(main) = plan.columns.first() else {
        return;
    };
    let best = best_peer(main, section);
    let mut heads = vec!["case".to_owned(), main.title.to_owned()];
    heads.extend(best.map(|best| format!("× `{}`", best.case)));
    let others = || plan.columns[1..].iter().chain(&COMMON);
    heads.extend(others().map(|column| column.title.to_owned()));
    heads.push("failed".to_owned());
    line(
        out,
        format_args!(
            "| {} |\n|---|{}",
            heads.join(" | "),
            "---:|".repeat(heads.len() - 1)
        ),
    );
    for runs in &section.cases {
        if let Some(missing) = &runs.missing {
            line(
                out,
                format_args!(
                    "| `{}` | {missing} |{}",
                    runs.case,
                    " |".repeat(heads.len() - 2)
                ),
            );
            continue;
        }
        let mut cells = vec![format!("`{}`", runs.case), cell(runs, main)];
        if let Some(best) = best {
            let ratio = Spread::of_ratios(&runs.values(main.key), &best.values(main.key));
            cells.push(ratio.map_or("–".to_owned(), |ratio| format!("{:.2}", ratio.median)));
        }
        // The first two columns are shown with their extremes. The JSON has all of them.
        cells.extend(others().enumerate().map(|(index, column)| match index {
            0 => cell(runs, column),
            _ => median(runs, column),
        }));
        cells.push(format!("{}/{}", runs.failures().count(), runs.rounds.len()));
        line(out, format_args!("| {} |", cells.join(" | ")));
    }
}

/// The peer with the best median, if there is any.
pub(crate) fn best_peer<'a>(column: &Column, section: &'a Section) -> Option<&'a Runs> {
    let peers = section.cases.iter().filter(|runs| !runs.ours);
    let medians = peers.filter_map(|runs| Some((runs, spread(runs, column.key)?.median)));
    let better = |a: &(&Runs, f64), b: &(&Runs, f64)| match column.more_is_better {
        true => b.1.total_cmp(&a.1),
        false => a.1.total_cmp(&b.1),
    };
    medians.min_by(better).map(|(runs, _)| runs)
}

fn cell(runs: &Runs, column: &Column) -> String {
    spread(runs, column.key).map_or("–".to_owned(), |spread| spread.show(column.digits))
}

fn median(runs: &Runs, column: &Column) -> String {
    spread(runs, column.key).map_or("–".to_owned(), |spread| {
        format!("{:.*}", column.digits, spread.median)
    })
}

fn spread(runs: &Runs, key: &str) -> Option<Spread> {
    Spread::of(runs.values(key).into_iter().flatten())
}

fn failures(out: &mut String, section: &Section) {
    for runs in &section.cases {
        let mut reasons: Vec<&str> = runs.failures().collect();
        reasons.dedup();
        for reason in reasons {
            line(out, format_args!("\n**`{}` failed**: {reason}", runs.case));
        }
    }
}
