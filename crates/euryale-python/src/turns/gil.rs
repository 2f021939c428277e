//! Observes the GIL from threads that do not hold it.
//!
//! A Rust thread learns at which futex threads wait for the GIL. Later it requests the GIL to find
//! out whether a computing thread holds it. Only this thread waits then, because C code may hold
//! the GIL for any time.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use pyo3::prelude::*;

use super::watch::Watch;

/// The maximum distance between the futex words of one condition variable, which has two for its
/// waiters and uses them in turn (the size of glibc's is 48 bytes).
const CONDITION: u64 = 48;

/// The time within which a free GIL is acquired. The interpreter's switch interval is 5 ms.
const FREE: Duration = Duration::from_millis(2);

/// The futex at which threads wait for the GIL, and a thread that may wait for it.
#[derive(Debug)]
pub(crate) struct Gil {
    futex: u64,
    prober: Mutex<Option<Prober>>,
}

#[derive(Debug)]
struct Prober {
    /// Each probe has its own channel for the answer.
    probes: Sender<Sender<()>>,
    thread: JoinHandle<()>,
}

impl Gil {
    /// Makes a thread wait for the GIL, which this thread holds, and observes the futex. Returns
    /// `None` if the kernel does not show it.
    pub(crate) fn learn() -> Option<Self> {
        let (sender, receiver) = bounded(1);
        let (probes, probed) = bounded(0);
        let work = move || {
            let _ = sender.send(Watch::of_this_thread());
            Python::attach(|_| {});
            probe(&probed);
        };
        let thread = std::thread::Builder::new().name("euryale-gil".into());
        let thread = thread.spawn(work).ok()?;
        let watch = receiver.recv().ok()?.ok()?;
        let futex = watch.settled_futex()?;
        let prober = Mutex::new(Some(Prober { probes, thread }));
        Some(Self { futex, prober })
    }

    /// Returns whether a thread that waits at this futex waits for the GIL.
    pub(super) fn is_at(&self, futex: u64) -> bool {
        self.futex.abs_diff(futex) < CONDITION
    }

    /// Returns whether the GIL is free, as far as is known. Waits for at most [`FREE`].
    pub(super) fn is_free(&self) -> bool {
        let (answer, answered) = bounded(1);
        {
            let prober = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(prober) = &*prober else {
                return false;
            };
            // The last probe may still be waiting.
            if prober.probes.try_send(answer).is_err() {
                return false;
            }
        }
        answered.recv_timeout(FREE).is_ok()
    }

    /// Ends the thread, which may need the GIL for that, so the caller must not hold it.
    pub(super) fn end(&self) {
        let mut prober = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Prober { probes, thread }) = prober.take() else {
            return;
        };
        drop(prober);
        drop(probes);
        let _ = thread.join();
    }
}

fn probe(probed: &Receiver<Sender<()>>) {
    while let Ok(answer) = probed.recv() {
        Python::attach(|_| {});
        let _ = answer.send(());
    }
}
