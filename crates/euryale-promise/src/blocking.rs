//! Promises that block: a few threads, whatever is asked for.

use std::sync::Arc;

use euryale_core::ledger::GaugeGuard;
use euryale_core::{Ledger, PanicMessage};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::Span;

use crate::PromiseError;
use crate::asks::Value;

/// Runs `job` when a thread of the lane is free.
#[expect(clippy::disallowed_methods, reason = "the lane of blocking promises: its semaphore bounds it")]
pub(crate) async fn run(
    threads: &Arc<Semaphore>,
    ledger: &Ledger,
    job: Box<dyn FnOnce() -> Value + Send>,
) -> Value {
    let Ok(turn) = Arc::clone(threads).acquire_owned().await else { return Err(PromiseError::NoThread) };
    let running = GaugeGuard::new(ledger, |ledger| &ledger.promises.running, 1);
    let span = Span::current();
    let job = move || {
        let value = span.in_scope(|| PanicMessage::catch(job));
        // Given back before anybody sees the value, and by nobody else: a closure cannot be stopped.
        drop((running, turn));
        value.unwrap_or_else(|panic| Err(PromiseError::Panicked(panic.into())))
    };
    // Without a thread tokio panics, and keeps the closure until it has one.
    let Ok(handle) = PanicMessage::catch(|| tokio::task::spawn_blocking(job)) else {
        return Err(PromiseError::NoThread);
    };
    let mut waiting = Waiting(handle);
    (&mut waiting.0).await.unwrap_or(Err(PromiseError::NoThread))
}

/// Takes back a closure that has not started.
struct Waiting(JoinHandle<Value>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
