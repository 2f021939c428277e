//! Holds threads at a known point.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The maximum time that a thread waits at a closed gate. A test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A gate for threads: closed at first, opened permanently or for a number of threads. Clones are
/// the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    passes: usize,
    waiting: usize,
    passed: usize,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks this thread until the gate lets it through.
    ///
    /// # Panics
    /// After 30 s.
    pub fn wait(&self) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.lock();
        state.waiting += 1;
        while !state.open && state.passes == 0 {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "a gate was not opened for {PATIENCE:?}");
            state = self
                .shared
                .1
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.waiting -= 1;
        state.passed += 1;
        if !state.open {
            state.passes -= 1;
        }
    }

    /// Lets all through, now and later.
    pub fn open(&self) {
        self.lock().open = true;
        self.shared.1.notify_all();
    }

    /// Lets `n` through.
    pub fn let_through(&self, n: usize) {
        self.lock().passes += n;
        self.shared.1.notify_all();
    }

    /// The number of threads that wait now.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// The number of threads that went through.
    pub fn passed(&self) -> usize {
        self.lock().passed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
