//! The machine, and the versions of what was measured on it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::measure::read;

/// The state of the machine before the first run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// Load average of the last minute.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> anyhow::Result<Self> {
        let processors = read("/proc/cpuinfo")?;
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let load = read("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: model
                .map_or("unknown processor", |(_, model)| model)
                .to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').next().unwrap_or("unknown").to_owned(),
        })
    }

    pub(crate) fn sentence(&self) -> String {
        let Self {
            cores,
            processor,
            kernel,
            load,
        } = self;
        format!("{cores} cores, {processor}, Linux {kernel}; load {load}")
    }
}

/// The lock file that this program was built with: it has the versions of the peers that are built
/// in.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// Package and version of each of `packages`.
pub(crate) fn locked(packages: &[&str]) -> String {
    let versions = packages
        .iter()
        .map(|package| format!("{package} {}", locked_version(LOCK, package)));
    versions.collect::<Vec<_>>().join(", ")
}

pub(crate) fn locked_version(lock: &str, package: &str) -> String {
    let start = format!("name = \"{package}\"");
    let lines: Vec<&str> = lock.lines().collect();
    // If there are several versions, the last one, which is the newest: older ones are only needed
    // by other dependencies.
    let name = lines.iter().rposition(|line| *line == start);
    let line = name.and_then(|name| lines.get(name + 1));
    let version = line.and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.unwrap_or("unknown").to_owned()
}

/// Raises the limit of descriptors as far as the system allows, for this program and its children.
pub(crate) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // A refusal does no harm: a workload that needs more descriptors reports that.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
