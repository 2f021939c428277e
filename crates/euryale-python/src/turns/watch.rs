//! The current state of a thread in the kernel.
//!
//! `/proc/self/task/…/syscall` contains `running` for a thread that computes, or else the number
//! and the arguments of the system call in which the thread waits (`proc_pid_syscall(5)`). A thread
//! that waits for the GIL waits for a futex in the interpreter's condition variable, whose address
//! is learned once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::gil::Gil;

/// The maximum time to learn the address. A waiting thread is seen after about 0.1 ms.
const PATIENCE: Duration = Duration::from_millis(200);

/// The time between two checks while the address is learned.
const PAUSE: Duration = Duration::from_micros(100);

/// The number of equal checks that show that a thread waits for the GIL, and not for a lock that it
/// needs first.
const LOOKS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// The thread computes or is ready to.
    Runs,
    WaitsForGil,
    /// The thread waits for something else.
    Waits,
}

/// A thread that others observe.
#[derive(Debug)]
pub(crate) struct Watch(File);

impl Watch {
    /// # Errors
    /// The system has no such file, or there is no descriptor for it.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        File::open("/proc/thread-self/syscall").map(Self)
    }

    /// Returns the current state of the thread.
    pub(super) fn look(&self, gil: &Gil) -> Doing {
        match self.call() {
            Some(Call::Futex(futex)) if gil.is_at(futex) => Doing::WaitsForGil,
            Some(_) => Doing::Waits,
            None => Doing::Runs,
        }
    }

    /// Returns the futex at which the thread waits during several checks.
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

    /// Returns the system call in which the thread waits. A thread that cannot be observed counts
    /// as running.
    fn call(&self) -> Option<Call> {
        let mut bytes = [0; 256];
        let length = self.0.read_at(&mut bytes, 0).ok()?;
        parse(std::str::from_utf8(&bytes[..length]).ok()?)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Futex(u64),
    /// Another system call, or a page fault.
    Other,
}

/// Parses `running`, or a number and hexadecimal arguments.
fn parse(text: &str) -> Option<Call> {
    let mut words = text.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    if number != libc::SYS_futex {
        return Some(Call::Other);
    }
    let first = words.next()?.strip_prefix("0x")?;
    u64::from_str_radix(first, 16).ok().map(Call::Futex)
}
