//! The thread that starts the servers, and signals to them.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The time that a server has to start or stop. A test that reaches it has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

/// Starts `command` in the thread that lives as long as the test binary.
pub(super) fn launch(mut command: Command) -> io::Result<Child> {
    static LAUNCHER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::Builder::new()
            .name("launcher".into())
            .spawn(move || jobs.into_iter().for_each(|job| job()))
            .expect("a thread that starts servers");
        Mutex::new(sender)
    });
    let (sender, result) = sync_channel(1);
    let job = Box::new(move || {
        let _ = sender.send(command.spawn());
    });
    let sent = launcher
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(job);
    sent.expect("the launcher lives as long as the process");
    result.recv().expect("the launcher has answered")
}

/// Sends `signal` to the process `id`, if it has not ended already.
pub(super) fn send_signal(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// The processes whose parent is `id`.
pub(super) fn children_of(id: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|child| parent_of(*child) == Some(id))
        .collect()
}

fn parent_of(id: u32) -> Option<u32> {
    stat(id)?.split_whitespace().nth(1)?.parse().ok()
}

/// Returns whether the process runs. A zombie does not.
pub(super) fn runs(id: u32) -> bool {
    stat(id).is_some_and(|stat| !stat.trim_start().starts_with('Z'))
}

/// The state of a process, its parent and more (`proc_pid_stat(5)`).
fn stat(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of a process may contain spaces and parentheses: the rest follows the last one.
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// Polls until `condition` holds.
///
/// # Panics
/// After 30 s, with the text that `why` returns.
#[expect(clippy::disallowed_methods, reason = "between two looks, in a test")]
pub(super) fn wait_until(mut condition: impl FnMut() -> bool, why: impl FnOnce() -> String) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() >= until {
            panic!("not within {PATIENCE:?}: {}", why());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
