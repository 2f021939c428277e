//! What a thread does at this moment, as the kernel sees it.
//!
//! `/proc/self/task/…/syscall` has `running` for a thread that computes, and the number and the
//! arguments of the system call in which a thread waits (`proc_pid_syscall(5)`). A thread that
//! waits for the GIL waits for a futex in the interpreter's condition variable, whose address is
//! learned once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::gil::Gil;

/// How long the address may take to be learned. A waiting thread is seen after some 0.1 ms.
const PATIENCE: Duration = Duration::from_millis(200);

/// The time between two looks while it is learned.
const PAUSE: Duration = Duration::from_micros(100);

/// As many equal looks show that a thread waits for the GIL, and not for a lock on the way to it.
const LOOKS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It computes, or could: only the scheduler knows.
    Runs,
    WaitsForGil,
    /// It waits for something else.
    Waits,
}

/// A thread that others look at.
#[derive(Debug)]
pub(crate) struct Watch(File);

impl Watch {
    /// # Errors
    /// There is no such file here, or no descriptor for it.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        File::open("/proc/thread-self/syscall").map(Self)
    }

    /// What the thread does now.
    pub(super) fn look(&self, gil: &Gil) -> Doing {
        match self.call() {
            Some(Call::Futex(futex)) if gil.is_at(futex) => Doing::WaitsForGil,
            Some(_) => Doing::Waits,
            None => Doing::Runs,
        }
    }

    /// The futex that it waits for over several looks.
    pub(super) fn settled_futex(&self) -> Option<u64> {
        let began = Instant::now();
        let mut seen = Vec::with_capacity(LOOKS);
        while began.elapsed() < PATIENCE {
            match self.call() {
                Some(Call::Futex(futex)) => {
                    if seen.last().is_some_and(|last| *last != futex) {
                        seen.clear();
                    }
                    seen.push(futex);
                    if seen.len() == LOOKS {
                        return Some(futex);
                    }
                }
                _ => seen.clear(),
            }
            let never = crossbeam_channel::never::<()>();
            let _ = never.recv_timeout(PAUSE);
        }
        None
    }

    /// The system call in which it waits. A thread that cannot be seen runs.
    fn call(&self) -> Option<Call> {
        let mut bytes = [0; 256];
        let length = self.0.read_at(&mut bytes, 0).ok()?;
        parse(std::str::from_utf8(&bytes[..length]).ok()?)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Futex(u64),
    /// Another one, or a page fault.
    Other,
}

/// `running`, or a number and hexadecimal arguments.
fn parse(text: &str) -> Option<Call> {
    let mut words = text.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    if number != libc::SYS_futex {
        return Some(Call::Other);
    }
    let first = words.next()?.strip_prefix("0x")?;
    u64::from_str_radix(first, 16).ok().map(Call::Futex)
}
