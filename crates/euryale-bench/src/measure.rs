//! CPU time, memory and context switches of processes and of the whole system, all read from
//! `/proc`.

use std::fs;
use std::ops::Sub;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Clock ticks a second, as `/proc` counts CPU time. It is 100 on every Linux architecture in use,
/// whatever the kernel's own tick rate (proc(5), `USER_HZ`). The kernel scales the sum to the exact
/// time that the scheduler measured.
const TICKS: f64 = 100.0;

/// The resources that a server, and the whole system, have used up to one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// CPU time of the server's process tree, user and system, in seconds.
    pub(crate) server: f64,
    /// The CPU time of this program's ended children, which is that of the load.
    pub(crate) client: f64,
    /// The CPU time of everything, in seconds.
    pub(crate) system: f64,
    /// The voluntary context switches of the server's threads that are still alive.
    pub(crate) switches: u64,
}

impl Usage {
    /// `pid` is the root of the server's process tree.
    pub(crate) fn now(pid: u32) -> Result<Self> {
        let tree = tree(pid)?;
        // The CPU time of a child that was waited for is in its parent's account.
        let server = tree
            .iter()
            .map(|process| process.stat.own + process.stat.children)
            .sum();
        let own = stat(&read("/proc/self/stat")?).context("/proc/self/stat")?;
        let switches = tree.iter().map(|process| switches(process.pid)).sum();
        let system = busy(&read("/proc/stat")?).context("/proc/stat")?;
        Ok(Self {
            server,
            client: own.children,
            system,
            switches,
        })
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

fn switches(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    // A thread may end while it is read.
    let status =
        |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap_or_default();
    let of = |task| field(&status(task), "voluntary_ctxt_switches").unwrap_or(0);
    tasks.flatten().map(of).sum()
}

/// Waits for a second in which the system uses less than `most` cores, but at most for `patience`.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells when others are done"
)]
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

/// Returns the peak memory of the processes of a tree, in bytes: the sum of the peaks of each
/// process.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    memory(pid, "VmHWM")
}

/// Returns the current memory of the processes of a tree, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    memory(pid, "VmRSS")
}

/// Returns the current number of threads of the processes of a tree.
pub(crate) fn threads(pid: u32) -> Result<u64> {
    sum(pid, "Threads")
}

fn memory(pid: u32, name: &str) -> Result<u64> {
    Ok(sum(pid, name)? * 1024)
}

/// The sum of this number of each process.
fn sum(pid: u32, name: &str) -> Result<u64> {
    // A process that has just ended has no memory any more.
    let status = |pid| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |process: Process| field(&status(process.pid), name);
    let numbers: Vec<u64> = tree(pid)?.into_iter().filter_map(of).collect();
    numbers
        .first()
        .with_context(|| format!("{name} of process {pid}"))?;
    Ok(numbers.iter().sum())
}

struct Process {
    pid: u32,
    stat: Stat,
}

/// Returns a process and all of its descendants.
fn tree(root: u32) -> Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may end while it is read.
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        all.extend(stat(&text).map(|stat| Process { pid, stat }));
    }
    let root = all.iter().position(|process| process.pid == root);
    let mut tree = vec![all.swap_remove(root.context("the server has ended")?)];
    let mut at = 0;
    while at < tree.len() {
        let parent = tree[at].pid;
        tree.extend(all.extract_if(.., |process| process.stat.parent == parent));
        at += 1;
    }
    Ok(tree)
}

/// The data of a run; times in seconds.
#[derive(Debug, PartialEq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    pub(crate) own: f64,
    pub(crate) children: f64,
}

/// Reads `/proc/PID/stat`.
pub(crate) fn stat(text: &str) -> Option<Stat> {
    // The second field is the program's name in parentheses, which may contain anything, also
    // parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
    let mut ticks = rest
        .split_whitespace()
        .skip(11)
        .map(|field| field.parse::<f64>().ok());
    let mut two = || Some((ticks.next()?? + ticks.next()??) / TICKS);
    Some(Stat {
        parent,
        own: two()?,
        children: two()?,
    })
}

/// A number of `/proc/PID/status`, without its unit.
pub(crate) fn field(status: &str, name: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Returns the CPU time since the start of the system that was not idle, in seconds, from
/// `/proc/stat`.
pub(crate) fn busy(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<f64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq; steal is not ours, and guest is within user.
    let working = [0, 1, 2, 5, 6].map(|index| fields.get(index).copied());
    working
        .into_iter()
        .sum::<Option<f64>>()
        .map(|ticks| ticks / TICKS)
}

pub(crate) fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {path}"))
}
