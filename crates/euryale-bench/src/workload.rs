//! What is measured: workloads, their cases, and the bars they have to meet.

mod broken;
mod page;

use anyhow::{Result, bail};
use axum::Router;

pub(crate) use self::broken::BROKEN;
pub(crate) use self::page::PAGE;

/// The workloads that `list` shows.
pub(crate) const ALL: &[&Workload] = &[&PAGE];

/// Cases that do the same work, each in its own way.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The body that every case must answer.
    pub(crate) answer: &'static str,
    pub(crate) cases: &'static [Case],
    pub(crate) bars: &'static [Bar],
}

/// One way to do the work.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Is it measured unless others are named?
    pub(crate) by_default: bool,
    /// The server, with this many workers. Called on the server's runtime.
    pub(crate) router: fn(cap: usize) -> Router,
}

/// CPU time per request of `case`, as a multiple of that of `base`, must not be above `most`.
pub(crate) struct Bar {
    pub(crate) case: &'static str,
    pub(crate) base: &'static str,
    pub(crate) most: f64,
}

impl Workload {
    /// The cases of these names, in the workload's order; without names the default ones.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&'static Case>> {
        if let Some(unknown) = names.iter().find(|name| self.case(name).is_none()) {
            bail!("workload {} has no case {unknown}", self.name);
        }
        let is_wanted = |case: &&Case| match names {
            [] => case.by_default,
            names => names.iter().any(|name| name == case.name),
        };
        Ok(self.cases.iter().filter(is_wanted).collect())
    }

    fn case(&self, name: &str) -> Option<&'static Case> {
        self.cases.iter().find(|case| case.name == name)
    }
}

/// The case of a path `workload/case`.
pub(crate) fn find(path: &str) -> Option<&'static Case> {
    let (workload, case) = path.split_once('/')?;
    [&PAGE, &BROKEN].into_iter().find(|candidate| candidate.name == workload)?.case(case)
}
