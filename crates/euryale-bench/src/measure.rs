//! What the system knows of a process and of itself: CPU time, memory, context switches. All of it from
//! `/proc`.

use std::fs;
use std::ops::Sub;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Clock ticks a second, as `/proc` counts CPU time. Linux shows programs 100 on every architecture in use,
/// whatever the kernel's own rate (proc(5), `USER_HZ`); the kernel scales the sum to what the scheduler
/// measured exactly.
const TICKS: f64 = 100.0;

/// What a server had used, and the whole system with it, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// The server's CPU time, user and system, in seconds.
    pub(crate) server: f64,
    /// The CPU time of this program's children that have ended: the load's.
    pub(crate) client: f64,
    /// The CPU time of everything, in seconds.
    pub(crate) system: f64,
    /// The server's voluntary context switches, of threads that still live.
    pub(crate) switches: u64,
}

impl Usage {
    pub(crate) fn now(pid: u32) -> Result<Self> {
        let server = stat(&read(&format!("/proc/{pid}/stat"))?).context("/proc/PID/stat")?;
        let own = stat(&read("/proc/self/stat")?).context("/proc/self/stat")?;
        let mut switches = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end while we look.
            let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
            switches += field(&status, "voluntary_ctxt_switches").unwrap_or(0);
        }
        let system = busy(&read("/proc/stat")?).context("/proc/stat")?;
        Ok(Self { server: server.own, client: own.children, system, switches })
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            client: self.client - before.client,
            system: self.system - before.system,
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

/// Waits for a second in which the system used less than `most` cores, but not for longer than `patience`.
#[expect(clippy::disallowed_methods, reason = "nothing tells when others are done")]
pub(crate) fn wait_for_quiet(most: f64, patience: Duration) -> Result<()> {
    let start = Instant::now();
    let system = || busy(&read("/proc/stat")?).context("/proc/stat");
    while start.elapsed() < patience {
        let before = system()?;
        std::thread::sleep(Duration::from_secs(1));
        if system()? - before < most {
            break;
        }
    }
    Ok(())
}

/// The most memory that a process has held at a time, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let kibibytes = field(&read(&format!("/proc/{pid}/status"))?, "VmHWM").context("VmHWM")?;
    Ok(kibibytes * 1024)
}

/// The memory that this process holds now, in bytes.
pub(crate) fn resident() -> Result<u64> {
    Ok(field(&read("/proc/self/status")?, "VmRSS").context("VmRSS")? * 1024)
}

/// CPU time of a process, in seconds.
#[derive(Debug, PartialEq)]
pub(crate) struct Stat {
    pub(crate) own: f64,
    pub(crate) children: f64,
}

/// Reads `/proc/PID/stat`.
pub(crate) fn stat(text: &str) -> Option<Stat> {
    // The second field is the program's name in parentheses, and may hold anything, parentheses too.
    let (_, rest) = text.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    let mut two = || Some((ticks.next()?? + ticks.next()??) / TICKS);
    Some(Stat { own: two()?, children: two()? })
}

/// A number of `/proc/PID/status`, without its unit.
pub(crate) fn field(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// The CPU time that was not idle since the start of the system, in seconds; of `/proc/stat`.
pub(crate) fn busy(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq; steal is not ours, and guest is within user.
    let working = [0, 1, 2, 5, 6].map(|index| fields.get(index).copied());
    working.into_iter().sum::<Option<f64>>().map(|ticks| ticks / TICKS)
}

/// Where it was measured.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// Load average of the last minute, before the first run.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        let processors = read("/proc/cpuinfo")?;
        let model = processors.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let load = read("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: model.map_or("unknown processor", |(_, model)| model).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').next().unwrap_or("unknown").to_owned(),
        })
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {path}"))
}
