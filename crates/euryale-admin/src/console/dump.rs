//! The threads of the process, for a dump.

use std::fmt::Write as _;
use std::sync::{Arc, mpsc};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use euryale_core::request::Route;
use euryale_server::Polled;
use tokio::runtime::Handle;

/// The time for a thread of the runtime to run a task. An idle one needs microseconds.
const PATIENCE: Duration = Duration::from_millis(20);

/// The shortest poll that is listed.
const LONG: Duration = Duration::from_secs(1);

/// The maximum number of threads that are listed.
#[cfg(target_os = "linux")]
const LISTED: usize = 100;

/// Runs `look` on this thread and each of `others` on a thread of its own, so that their deadlines
/// do not add up. Returns the text of `look` and that of the others.
pub(crate) fn beside(
    others: &[Arc<dyn Fn() -> String + Send + Sync>],
    look: impl FnOnce() -> String,
) -> (String, String) {
    thread::scope(|scope| {
        let others: Vec<_> = others
            .iter()
            .map(|other| {
                let thread = thread::Builder::new().name("dump".to_owned());
                thread.spawn_scoped(scope, || other())
            })
            .collect();
        let looked = look();
        let texts = others.into_iter().map(|other| match other.map(join) {
            Ok(text) => text,
            Err(error) => format!("there is no thread for the rest of the dump: {error}\n"),
        });
        (looked, texts.collect())
    })
}

fn join(other: ScopedJoinHandle<'_, String>) -> String {
    let panicked = |_| "a part of the dump panicked\n".to_owned();
    other.join().unwrap_or_else(panicked)
}

/// Says whether the runtime still runs tasks.
pub(crate) fn runtime(runtime: &Handle) -> String {
    let begin = Instant::now();
    let (sender, ran) = mpsc::channel();
    runtime.spawn(async move {
        let _ = sender.send(());
    });
    match ran.recv_timeout(PATIENCE) {
        Ok(()) => format!("runtime: ran a task after {:.1?}\n", begin.elapsed()),
        Err(_) => format!(
            "runtime: no thread ran a task within {PATIENCE:?}: all of them are busy or stuck\n"
        ),
    }
}

/// Lists the polls that keep their threads from other tasks.
pub(crate) fn polls(polls: &[Polled]) -> String {
    let mut text = String::new();
    for polled in polls.iter().filter(|polled| polled.age >= LONG) {
        let Polled {
            thread,
            method,
            age,
            ..
        } = polled;
        let route = polled.route.as_ref().map_or("-", Route::name);
        let _ = writeln!(
            text,
            "thread {thread} has polled {method} route={route} for {age:.1?}, and runs no other \
             task"
        );
    }
    text
}

/// Lists the threads that are not waiting for work: with their name, their state (`R` runs, `S`
/// sleeps, `D` waits for a disk), and the function of the kernel in which they wait.
#[cfg(target_os = "linux")]
pub(crate) fn threads() -> String {
    let mut text = String::new();
    let mut listed = 0;
    let mut waiting = 0;
    for task in std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        // The name is in parentheses, and may contain some itself.
        let name = stat
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(") "));
        let Some((name, rest)) = name else {
            continue; // it has ended
        };
        let state = rest.split(' ').next().unwrap_or_default();
        let place = read("wchan");
        if state == "S" && is_wait(&place) {
            waiting += 1;
        } else if listed < LISTED {
            listed += 1;
            let id = task.file_name();
            let _ = writeln!(
                text,
                "thread {} {name} state={state} in={place}",
                id.to_string_lossy()
            );
        }
    }
    let _ = writeln!(text, "threads: {waiting} wait for work, a lock or a peer");
    text
}

/// Returns whether a thread that sleeps in this function of the kernel waits for another thread, or
/// for sockets.
#[cfg(target_os = "linux")]
fn is_wait(place: &str) -> bool {
    place.contains("futex") || place.contains("ep_poll") || place.contains("recvmsg")
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn threads() -> String {
    String::new()
}
