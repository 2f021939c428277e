//! Whether a thread sleeps at this moment, as the kernel sees it.
//!
//! `/proc/self/task/…/syscall` has `running` for a thread that computes or waits for a processor,
//! and the system call in which it sleeps otherwise (`proc_pid_syscall(5)`). A look takes some 2 µs
//! and disturbs nobody.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The file, of the thread that opens it.
const PATH: &str = "/proc/thread-self/syscall";

/// The text for a thread that does not sleep begins with this.
const RUNNING: u8 = b'r';

/// A thread that others look at.
#[derive(Debug)]
pub(crate) struct Watch(File);

impl Watch {
    /// # Errors
    /// One line: this kernel does not show it, or there is no descriptor.
    pub(crate) fn of_this_thread() -> Result<Self, String> {
        let watch = File::open(PATH).map(Self);
        let seen = watch.and_then(|watch| watch.first_byte().map(|_| watch));
        seen.map_err(|error| format!("{PATH}: {error}"))
    }

    /// Whether it waits for something: a socket, a lock, the clock, or the GIL. A thread that
    /// cannot be seen does not.
    pub(super) fn sleeps(&self) -> bool {
        self.first_byte().is_ok_and(|first| first != RUNNING)
    }

    fn first_byte(&self) -> io::Result<u8> {
        let mut first = [0];
        self.0.read_exact_at(&mut first, 0)?;
        Ok(first[0])
    }
}
