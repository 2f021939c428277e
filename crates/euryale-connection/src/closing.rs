//! Closes connections where it does no harm that they block or panic.

use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::error::PanicMessage;

use crate::threads;

/// Drops a value of the application, and catches a panic of its `Drop`.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(panic) = PanicMessage::catch(|| drop(value)) {
        log_panic(&panic, "a value panicked when it was dropped");
    }
}

/// Logs a caught panic. A panic of the subscriber does not affect the caller.
pub(crate) fn log_panic(panic: &PanicMessage, what: &'static str) {
    drop(PanicMessage::catch(|| tracing::error!(%panic, "{what}")));
}

/// Drops connections on a blocking thread of the runtime.
pub(crate) async fn drop_connections<C: Send + 'static>(connections: Vec<C>) {
    if !connections.is_empty() {
        threads::run_blocking(move || connections.into_iter().for_each(drop_quietly)).await;
    }
}

/// Drops connections on a new thread, for callers that cannot wait and may be on a thread of the
/// runtime.
pub(crate) fn drop_on_a_thread<C: Send + 'static>(connections: Vec<C>) {
    if connections.is_empty() {
        return;
    }
    let kept = Arc::new(Mutex::new(connections));
    let dropped = Arc::clone(&kept);
    let thread = std::thread::Builder::new()
        .name("euryale-close".to_owned())
        .spawn(move || {
            let connections =
                std::mem::take(&mut *dropped.lock().unwrap_or_else(PoisonError::into_inner));
            connections.into_iter().for_each(drop_quietly);
        });
    if let Err(error) = thread {
        tracing::error!(%error, "no thread to close idle connections in: they are left to the \
            system");
        forget(kept);
    }
}

/// No thread could be started, so the connections are dropped here, although that may block or
/// panic.
#[expect(
    clippy::disallowed_methods,
    reason = "no thread is left that could drop them"
)]
fn forget<T>(value: T) {
    std::mem::forget(value);
}
