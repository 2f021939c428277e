//! Work that may wait for a disk indefinitely.

use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cli::error::StartError;

/// Runs it in a separate thread that nothing has to wait for, so that the process drains and ends
/// even if a disk hangs.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    let begun = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = runtime.enter();
        // Nothing listens any more when the site is stopping.
        let _ = tell.send(work());
    });
    begun.map_err(|error| StartError::of_system("start threads", &error))?;
    told.await.unwrap_or_else(|_| {
        Err(StartError::new(
            format!("{name} the site panicked"),
            "this process",
            "see the lines above",
        ))
    })
}
