//! The blocking threads that the parts of a program may need at the same time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;

/// The default number of blocking threads of a tokio runtime.
const OF_TOKIO: usize = 512;

/// The maximum number of blocking threads that one part of a program takes at the same time: a
/// lane, or the workers of a pool. Clones are handles to the same bound.
#[derive(Clone, Debug)]
pub struct ThreadBound(Arc<Bound>);

#[derive(Debug)]
struct Bound {
    name: &'static str,
    threads: AtomicUsize,
}

impl ThreadBound {
    /// Creates a bound of `threads` threads. It counts once it is [declared](Threads::declare) in a
    /// ledger.
    #[must_use]
    pub fn new(name: &'static str, threads: usize) -> Self {
        let threads = AtomicUsize::new(threads);
        Self(Arc::new(Bound { name, threads }))
    }

    /// Returns the number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.threads.load(Ordering::Relaxed)
    }

    /// Raises the bound to `threads`. Never lowers it.
    pub fn raise(&self, threads: usize) {
        self.0.threads.fetch_max(threads, Ordering::Relaxed);
    }
}

/// The bounds of everything that blocks in a program. Each part declares its own, so that a runtime
/// can have as many threads as all parts together.
///
/// All parts share the blocking threads of one runtime, and tokio runs blocking work in order. With
/// fewer threads than all bounds together, uploads could keep publishers waiting although a
/// connection is free, or the other way round.
///
/// Pools, layers and servers declare their threads in their ledger. Run your own blocking work in a
/// [`BlockingLane`](crate::threads::BlockingLane), which does the same. For other uses of threads,
/// declare a bound yourself:
///
/// ```
/// use euryale_core::Ledger;
/// use euryale_core::ledger::ThreadBound;
/// use euryale_core::threads::BlockingLane;
///
/// let ledger = Ledger::new();
/// let thumbnails = BlockingLane::new("thumbnails", 2).ledger(ledger.clone());
/// let mails = ThreadBound::new("mails", 4);
/// ledger.threads.declare(&mails);
/// assert_eq!(ledger.threads.sum(), 6);
/// drop(thumbnails);
/// assert_eq!(ledger.threads.all(), [("mails", 4)]);
/// ```
#[derive(Debug, Default)]
pub struct Threads {
    state: Mutex<Bounds>,
    has_changed: AtomicBool,
}

#[derive(Debug, Default)]
struct Bounds {
    /// A bound counts as long as there is a handle to it.
    declared: Vec<Weak<Bound>>,
    provided: Option<usize>,
    /// The sum that was reported as too large.
    reported: usize,
}

impl Threads {
    /// The number of threads for blocking work that is not declared: resolving names, `tokio::fs`,
    /// libraries. A runtime has this many threads in addition to the declared ones.
    pub const SPARE: usize = 16;

    /// Adds `bound` to the sum, as long as it or a clone of it exists. A bound that is declared
    /// twice counts once.
    pub fn declare(&self, bound: &ThreadBound) {
        let mut state = self.lock();
        let declared = Arc::downgrade(&bound.0);
        state.declared.retain(|other| other.strong_count() > 0);
        if !state.declared.iter().any(|other| other.ptr_eq(&declared)) {
            state.declared.push(declared);
        }
        self.has_changed.store(true, Ordering::Release);
    }

    /// Returns the number of threads that all parts together may take at the same time.
    #[must_use]
    pub fn sum(&self) -> usize {
        self.lock().sum()
    }

    /// Returns the number of threads of each part, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, usize)> {
        self.lock().all().into_iter().collect()
    }

    /// Records how many blocking threads the runtime has for the parts, without the
    /// [spare](Self::SPARE) ones. The facade's `runtime` calls this. Call it as well if you build a
    /// runtime yourself with another number than tokio's 512.
    pub fn provide(&self, threads: usize) {
        self.lock().provided = Some(threads);
        self.has_changed.store(true, Ordering::Release);
    }

    /// Logs one line at ERROR if the runtime has fewer threads than the parts may take, with both
    /// numbers and the remedy. The same line is logged only once, and the check costs one load if
    /// nothing has changed. Outside a runtime whose number of threads is known, it logs nothing,
    /// because more parts may still be declared.
    ///
    /// A pool calls this for its first worker and when it grows, and a `Stack` when it is built.
    pub fn check(&self) {
        if self.has_changed.load(Ordering::Relaxed) {
            self.report();
        }
    }

    #[cold]
    fn report(&self) {
        let mut state = self.lock();
        if state.provided.is_none() && Handle::try_current().is_err() {
            return;
        }
        if !self.has_changed.swap(false, Ordering::Acquire) {
            return;
        }
        let sum = state.sum();
        let there = state.provided.unwrap_or(OF_TOKIO - Self::SPARE);
        if sum <= there.max(state.reported) {
            return;
        }
        state.reported = sum;
        let parts = state.all();
        let remedy = state.remedy(sum);
        drop(state);
        let parts: Vec<String> = parts
            .iter()
            .map(|(name, threads)| format!("{name} {threads}"))
            .collect();
        tracing::error!(
            parts = parts.join(", "),
            "the program may want {sum} blocking threads at a time, and its runtime has {there} \
                for them, so publishers may wait although a connection is free: {remedy}"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Bounds> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounds {
    fn all(&self) -> BTreeMap<&'static str, usize> {
        let mut all = BTreeMap::new();
        for bound in self.declared.iter().filter_map(Weak::upgrade) {
            *all.entry(bound.name).or_default() += bound.threads.load(Ordering::Relaxed);
        }
        all
    }

    fn sum(&self) -> usize {
        self.all().values().sum()
    }

    fn remedy(&self, sum: usize) -> String {
        match self.provided {
            None => format!(
                "build the runtime with euryale::runtime(&ledger), or with \
                    max_blocking_threads({}) and ledger.threads.provide({sum})",
                sum + Threads::SPARE
            ),
            Some(_) => "build the runtime after the pool and the layers, and declare the maximum \
                of what grows later"
                .to_owned(),
        }
    }
}
