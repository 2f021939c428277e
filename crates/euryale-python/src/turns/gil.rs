//! The GIL, as threads that do not hold it see it.
//!
//! One thread of Rust's learns where threads wait for the GIL, and asks for it later to find out
//! whether a thread that computes holds it. It is the only one that waits then: code in C may hold
//! the GIL for as long as it likes.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use pyo3::prelude::*;

use super::watch::Watch;

/// How far the words of one condition variable are from each other: it has two for its waiters, and
/// it uses them in turn (the size of glibc's is 48 bytes).
const CONDITION: u64 = 48;

/// A GIL that nobody holds is had within this time. The interpreter's switch interval is 5 ms.
const FREE: Duration = Duration::from_millis(2);

/// Where threads wait for the GIL, and a thread that may.
#[derive(Debug)]
pub(crate) struct Gil {
    futex: u64,
    prober: Mutex<Option<Prober>>,
}

#[derive(Debug)]
struct Prober {
    /// Each probe is answered through its own channel.
    probes: Sender<Sender<()>>,
    thread: JoinHandle<()>,
}

impl Gil {
    /// Has a thread wait for the GIL, which this one holds, and sees where. Returns `None` where
    /// the kernel does not show it.
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

    /// Returns whether a thread that waits for this futex waits for the GIL.
    pub(super) fn is_at(&self, futex: u64) -> bool {
        self.futex.abs_diff(futex) < CONDITION
    }

    /// Returns whether the GIL is free, as far as is known. Waits for [`FREE`] at most.
    pub(super) fn is_free(&self) -> bool {
        let (answer, answered) = bounded(1);
        {
            let prober = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(prober) = &*prober else {
                return false;
            };
            // The last probe may still wait.
            if prober.probes.try_send(answer).is_err() {
                return false;
            }
        }
        answered.recv_timeout(FREE).is_ok()
    }

    /// Ends the thread. It may need the GIL for that, so the caller must not hold it.
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
