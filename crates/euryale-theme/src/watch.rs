//! A thread that looks at something again and again, as long as it exists.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Starts a thread that calls `look` at this interval. It ends when the returned sender or the last
/// [`Arc`] is dropped.
pub(crate) fn watch<T: Send + Sync + 'static>(
    shared: &Arc<T>,
    every: Duration,
    look: impl Fn(Arc<T>) + Send + 'static,
) -> std::io::Result<Sender<()>> {
    let (sender, ended) = channel::<()>();
    let weak: Weak<T> = Arc::downgrade(shared);
    let watch = move || {
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let Some(shared) = weak.upgrade() else { return };
            look(shared);
        }
    };
    std::thread::Builder::new()
        .name("theme".to_owned())
        .spawn(watch)?;
    Ok(sender)
}
