//! The goals: the bars of all tables, and which of them were met.

use std::fmt::Write;

use super::line;
use crate::rounds::{Runs, Section};
use crate::statistics::Spread;
use crate::workload::{Bar, Base, Limit, Plan};

/// A bar, and what was measured for it.
#[derive(Debug)]
pub(crate) struct Goal {
    /// The workload or table that the goal is for.
    pub(crate) table: String,
    pub(crate) figure: String,
    pub(crate) case: String,
    /// `None` if a server is missing, a run failed, or there was no time.
    pub(crate) value: Option<Spread>,
    pub(crate) limit: Limit,
}

impl Goal {
    /// The goals of a plan whose cases were to be measured.
    pub(crate) fn of(plan: &Plan, section: &Section) -> Vec<Self> {
        let goal = |bar: &Bar| Self::of_bar(bar, section);
        plan.bars.iter().filter_map(goal).collect()
    }

    fn of_bar(bar: &Bar, section: &Section) -> Option<Self> {
        let measured = section.case(bar.case)?;
        let all = |runs: &Runs| runs.values(bar.key);
        let (case, value) = match bar.base {
            Base::None => {
                let values = all(measured).into_iter().flatten();
                (format!("`{}`", bar.case), Spread::of(values))
            }
            Base::Times(base) => (
                format!("`{}` / `{base}`", bar.case),
                Spread::of_ratios(&all(measured), &all(section.case(base)?)),
            ),
            Base::Above(base) => (
                format!("`{}` − `{base}`", bar.case),
                Spread::of_differences(&all(measured), &all(section.case(base)?)),
            ),
        };
        Some(Self {
            table: section.title.clone(),
            figure: bar.key.replace('_', " "),
            case,
            value,
            limit: bar.limit,
        })
    }

    fn verdict(&self) -> Verdict {
        match self.value {
            None => Verdict::NotMeasured,
            Some(value) if self.limit.is_met(value.median) => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }

    /// The cells that follow the names.
    fn cells(&self) -> String {
        let digits = match self.limit {
            Limit::AtMost(limit) | Limit::AtLeast(limit) if limit >= 100.0 => 0,
            _ => 2,
        };
        let value = self
            .value
            .map_or("–".to_owned(), |value| value.show(digits));
        format!(
            "{value} | {} | {}",
            self.limit.show(),
            self.verdict().word()
        )
    }
}

/// Sorted as on the page of all goals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Missed,
    NotMeasured,
    Met,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Missed => "**missed**",
            Self::NotMeasured => "not measured",
            Self::Met => "met",
        }
    }
}

/// The goals of one table.
pub(crate) fn of_table(goals: &[Goal]) -> String {
    let mut out = String::new();
    if !goals.is_empty() {
        out.push_str(
            "\n| bar | | median (min–max), round by round | limit | |\n|---|---|---:|---:|---|\n",
        );
    }
    for goal in goals {
        let Goal { figure, case, .. } = goal;
        line(
            &mut out,
            format_args!("| {figure} | {case} | {} |", goal.cells()),
        );
    }
    out
}

/// One page with the goals of all tables, the missed ones first.
pub(crate) fn page(mut goals: Vec<Goal>, minutes: u64) -> String {
    let count = |verdict| {
        let same = goals.iter().filter(|goal| goal.verdict() == verdict);
        same.count()
    };
    let mut out = String::from("# Goals\n\n");
    line(
        &mut out,
        format_args!(
            "{} met, {} missed, {} not measured, after {minutes} minutes.",
            count(Verdict::Met),
            count(Verdict::Missed),
            count(Verdict::NotMeasured)
        ),
    );
    goals.sort_by_key(Goal::verdict);
    let _ = write!(
        out,
        "\n| table | figure | | median (min–max) | limit | |\n|---|---|---|---:|---:|---|\n"
    );
    for goal in &goals {
        let Goal {
            table,
            figure,
            case,
            ..
        } = goal;
        line(
            &mut out,
            format_args!("| {table} | {figure} | {case} | {} |", goal.cells()),
        );
    }
    out
}
