//! The waker of a worker: a flag, because the worker itself polls.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::socket::Watch;

/// Notes that a polled future wants to be polled again.
#[derive(Default)]
pub(super) struct Call {
    called: AtomicBool,
}

impl Call {
    pub(super) fn set(&self) {
        self.called.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was set, and clears it.
    pub(super) fn take(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
    }
}

/// Runs `future` on a socket that no connection of tokio-postgres drives yet. Returns `None` if it
/// did not end before `until`.
pub(crate) fn block_on<F: Future>(watch: &Watch, until: Instant, future: F) -> Option<F::Output> {
    let call = Arc::new(Call::default());
    let waker = Waker::from(Arc::clone(&call));
    let mut future = pin!(future);
    loop {
        call.take();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let goes_on = if call.take() {
            Instant::now() < until
        } else {
            // A socket that cannot be waited for ends the wait, too.
            watch.wait(Some(until)).unwrap_or(false)
        };
        if !goes_on {
            return None;
        }
    }
}
