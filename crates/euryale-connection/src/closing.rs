//! Closes connections, which may block or panic, where that does no harm.

use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::error::PanicMessage;

use crate::threads;

/// Drops a value of the application's; a panic of its `Drop` ends here.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(panic) = PanicMessage::catch(|| drop(value)) {
        log_panic(&panic, "a value panicked when it was dropped");
    }
}

/// Logs a caught panic. If the subscriber panics, too, the caller is not affected.
pub(crate) fn log_panic(panic: &PanicMessage, what: &'static str) {
    drop(PanicMessage::catch(|| tracing::error!(%panic, "{what}")));
}

/// Drops connections on a blocking thread of the runtime.
pub(crate) async fn drop_connections<C: Send + 'static>(connections: Vec<C>) {
    if !connections.is_empty() {
        threads::run_blocking(move || connections.into_iter().for_each(drop_quietly)).await;
    }
}

/// Drops connections on a plain thread, for callers that cannot wait and may be on a thread of the
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

/// The lesser evil: dropping a connection here may block or panic.
#[expect(
    clippy::disallowed_methods,
    reason = "no thread is left that could drop them"
)]
fn forget<T>(value: T) {
    std::mem::forget(value);
}
