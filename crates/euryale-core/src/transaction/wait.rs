//! Runs asynchronous code for a worker.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tracing::{Instrument, Span};

use crate::error::{CatchPanic, ELAPSED, Error};
use crate::ledger::{GaugeGuard, Ledger};
use crate::transaction::Task;

/// Wraps a future that runs after the commit. It is created before, so that it keeps the
/// publisher's span.
pub(super) fn task(ledger: &Ledger, future: impl Future<Output = ()> + Send + 'static) -> Task {
    let ledger = ledger.clone();
    let task = async move {
        if let Err(panic) = CatchPanic::new(future).await {
            ledger.tasks.panic.add(1);
            tracing::error!(%panic, "a task of a committed transaction panicked");
        }
    };
    Box::pin(task.instrument(Span::current()))
}

/// Counts a task from now, when it is about to be spawned, to its end.
pub(super) fn counted(ledger: &Ledger, task: Task) -> Task {
    ledger.tasks.spawned.add(1);
    let running = GaugeGuard::new(&ledger.tasks.running, 1);
    Box::pin(async move {
        task.await;
        drop(running);
    })
}

/// Polls `future` on this thread until it is ready or `within` has passed. tokio's own `block_on`
/// has no deadline, and tokio's timer would need a runtime that has one.
pub(super) fn block_on<F: Future>(within: Duration, future: F) -> Result<F::Output, Error> {
    let until = Instant::now().checked_add(within);
    let mut future = pin!(future);
    let call = Arc::new(Call {
        thread: std::thread::current(),
        called: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&call));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        // A wait inside this one may have consumed the thread's unpark token, so each wait has its
        // own flag.
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::new(ELAPSED));
            }
            if call.called.swap(false, Ordering::Acquire) {
                break;
            }
            match left {
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
    }
}

/// Wakes a thread that waits for a future.
struct Call {
    thread: Thread,
    called: AtomicBool,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
