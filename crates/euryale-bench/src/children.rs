//! Processes that this program starts, each in a process group of its own, and each is ended by its
//! process id.
//!
//! Three things end a child: the drop of its handle, a signal to this program, and the death of
//! this program, for which the kernel sends the child `SIGTERM`.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, set_parent_process_death_signal, waitid,
};
use tokio::signal::unix::{SignalKind, signal};

/// Processes and files that must not be left behind. A static, because a signal is delivered to the
/// whole process.
static LEFT: Mutex<Left> = Mutex::new(Left {
    groups: Vec::new(),
    folders: Vec::new(),
    ended: false,
});

struct Left {
    groups: Vec<Pid>,
    folders: Vec<PathBuf>,
    ended: bool,
}

/// The time that a child has to end by itself.
const GRACE: Duration = Duration::from_secs(3);
/// The time that a child has to end by itself when its output is awaited.
const LIMIT: Duration = Duration::from_secs(1800);
const TICK: Duration = Duration::from_millis(5);

fn left() -> MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child process. Dropping it ends its process group.
pub(crate) struct Running {
    child: Child,
    group: Pid,
    reaped: bool,
}

impl Running {
    /// Starts `command` as the leader of a process group.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut left = left_to_us();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        let group = Pid::from_child(&child);
        left.groups.push(group);
        Ok(Self {
            child,
            group,
            reaped: false,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits at most `limit` until the child has ended by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + limit;
        while !has_ended(self.group) {
            if Instant::now() > until {
                bail!("not done after {limit:?}");
            }
            pause();
        }
        // Ends the rest of its process group. The group's id cannot be reused before the leader is
        // waited for.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.reap()
    }

    /// Waits for a child that has ended, or is about to. From then on the system may reuse its id.
    fn reap(&mut self) -> Result<ExitStatus> {
        let mut left = left_to_us();
        let status = self.child.wait();
        left.groups.retain(|group| *group != self.group);
        self.reaped = true;
        Ok(status?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            end(self.group);
            let _ = self.reap();
        }
    }
}

/// Ends a group whose leader was not waited for yet, so that the id still means this group.
fn end(group: Pid) {
    // Fails if it has ended already.
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while !has_ended(group) && Instant::now() < until {
        pause();
    }
    // Members of the group that outlived their leader.
    let _ = kill_process_group(group, Signal::KILL);
}

/// Returns whether the child has ended. It must still be waited for.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process"
)]
pub(crate) fn pause() {
    std::thread::sleep(TICK);
}

/// Removes this folder when a signal ends the program.
pub(crate) fn remove_at_end(folder: PathBuf) {
    left().folders.push(folder);
}

/// Once a signal has come, its thread ends the children and the program: no other thread touches
/// the children any more, and an error from now on is not a result.
fn left_to_us() -> MutexGuard<'static, Left> {
    loop {
        let left = left();
        if !left.ended {
            return left;
        }
        drop(left);
        std::thread::park();
    }
}

pub(crate) fn give_way_to_signals() {
    drop(left_to_us());
}

/// Called in a child: it ends when the program that started it ends, for whatever reason.
pub(crate) fn end_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
}

/// Executes another program, which ends together with its parent.
pub(crate) fn exec(program: &[String]) -> Result<()> {
    end_with_parent();
    let (program, arguments) = program.split_first().context("no program to start")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("starting {program}"))
}

/// From now on a signal ends all children first.
pub(crate) fn end_on_signals() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let kinds = (
                SignalKind::interrupt(),
                SignalKind::terminate(),
                SignalKind::hangup(),
            );
            let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
                (signal(kinds.0), signal(kinds.1), signal(kinds.2))
            else {
                return;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            let ended = end_all();
            eprintln!("euryale-bench: ended by a signal; {ended} child processes were ended");
            std::process::exit(130);
        });
    });
    Ok(())
}

fn end_all() -> usize {
    let (groups, folders) = {
        let mut left = left();
        left.ended = true;
        (
            std::mem::take(&mut left.groups),
            std::mem::take(&mut left.folders),
        )
    };
    for group in &groups {
        end(*group);
    }
    for folder in folders {
        let _ = std::fs::remove_dir_all(folder);
    }
    groups.len()
}

/// Both outputs of a child that ends by itself, and whether it succeeded.
pub(crate) fn finish(mut running: Running) -> Result<(bool, String, String)> {
    let child = running.child();
    let mut output = child.stdout.take().context("the client's output")?;
    let mut errors = child.stderr.take().context("the client's errors")?;
    let mut text = String::new();
    let mut reason = String::new();
    // Errors are only a line or two, so they fit into the pipe until they are read.
    output.read_to_string(&mut text)?;
    errors.read_to_string(&mut reason)?;
    let status = running.wait(LIMIT)?;
    Ok((status.success(), text, reason))
}
