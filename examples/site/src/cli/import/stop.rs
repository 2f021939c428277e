//! Signals: the first one stops the import at a point where nothing is half done, the second one
//! ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code when a signal ended the import.
pub(super) const CUT: u8 = 3;

/// Whether the import must stop. Clones are handles to the same flag.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// With the first SIGTERM or SIGINT that `runtime` sees; the second one ends the process at
    /// once.
    pub(super) fn at_signals(runtime: &Runtime) -> io::Result<Self> {
        let stop = Self::default();
        let handle = stop.clone();
        let _context = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        runtime.spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            handle.set();
            either(&mut terminate, &mut interrupt).await;
            // As if it were killed: the database is consistent, and blobs without rows are swept.
            std::process::exit(CUT.into());
        });
        Ok(stop)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
