//! Cooperative yielding for tasks that never return `Pending`.

use std::task::{Context, Poll};

/// The amount of work that a task does before it yields to other tasks of its thread, in bytes that
/// are copied from memory to a peer.
///
/// Such a task never waits, so it would keep its thread: tokio's own budget counts operations and
/// not their cost. While any task is ready, a thread checks its sockets only after 61 polls
/// ([`event_interval`](tokio::runtime::Builder::event_interval)). A new request therefore waits for
/// 61 stints: 3 ms if each takes 50 µs, and longer if threads wait for cores.
///
/// ```
/// use std::future::poll_fn;
///
/// use euryale_core::threads::Stint;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let other = tokio::spawn(async {});
/// let mut stint = Stint::new(64 << 10);
/// poll_fn(|cx| stint.poll_go_on(cx)).await;
/// assert!(!other.is_finished(), "nothing was done yet");
/// stint.did(64 << 10);
/// poll_fn(|cx| stint.poll_go_on(cx)).await;
/// assert!(other.is_finished());
/// # }
/// ```
#[derive(Debug)]
pub struct Stint {
    bytes: usize,
    left: usize,
}

impl Stint {
    /// Creates a stint of `bytes` bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { bytes, left: bytes }
    }

    /// Records that `bytes` have been processed.
    pub fn did(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// Begins a new stint, because the task waits for something else and other tasks run anyway.
    pub fn renew(&mut self) {
        self.left = self.bytes;
    }

    /// Ready while the stint lasts. At its end it is pending once, and wakes the task, which is
    /// then queued after all tasks that were ready before.
    pub fn poll_go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left > 0 {
            return Poll::Ready(());
        }
        self.renew();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
