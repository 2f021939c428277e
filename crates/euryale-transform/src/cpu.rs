//! Threads for transforms that compute for long.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use euryale_core::ledger::GaugeGuard;
use euryale_core::{Error, ErrorKind, Ledger, PanicMessage, Work};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// As many blocking threads as there are cores, and a bounded queue in front of them. Clones share both.
#[derive(Clone)]
pub struct Cpu {
    free: Arc<Semaphore>,
    threads: usize,
    max_queue: usize,
    waiting: Arc<AtomicUsize>,
    ledger: Ledger,
}

impl Cpu {
    pub(crate) fn new(ledger: Ledger) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let (free, waiting) = (Arc::new(Semaphore::new(cores)), Arc::default());
        Self { free, threads: cores, max_queue: 1024, waiting, ledger }
    }

    pub(crate) fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        self.free = Arc::new(Semaphore::new(self.threads));
        self
    }

    pub(crate) fn max_queue(mut self, most: usize) -> Self {
        self.max_queue = most;
        self
    }

    pub(crate) fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.threads
    }

    /// Runs `work` when a thread is free, in the order in which threads were asked for. When nobody waits for it any
    /// more, work that has not begun never does; what runs keeps its thread until it returns.
    ///
    /// # Errors
    /// By kind: [`LaneFull`](ErrorKind::LaneFull) (too many wait already), [`NoWorker`](ErrorKind::NoWorker),
    /// [`Panicked`](ErrorKind::Panicked).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let running = GaugeGuard::new(&self.ledger, |ledger| &ledger.deferred.cpu, 1);
        let (work, done) = Work::new(work);
        start(work, Place { _running: running, _permit: permit })?;
        done.await
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, Error> {
        let Some(_waiting) = Waiting::begin(&self.waiting, self.max_queue) else {
            return Err(Error::new(ErrorKind::LaneFull));
        };
        // It is never closed.
        Arc::clone(&self.free).acquire_owned().await.map_err(|_| Error::new(ErrorKind::Closed))
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cpu")
            .field("threads", &self.threads)
            .field("waiting", &self.waiting.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// A thread that may be used.
struct Place {
    // Given back in this order: whoever finds a place free finds it uncounted.
    _running: GaugeGuard,
    _permit: OwnedSemaphorePermit,
}

#[expect(clippy::disallowed_methods, reason = "the threads of transforms: as many places as there are cores")]
fn start(work: Work, place: Place) -> Result<(), Error> {
    let runtime = Handle::try_current().map_err(|error| Error::with_source(ErrorKind::NoWorker, error))?;
    // Without a thread tokio panics, and keeps the closure until it has one: neither work nor place must stay in it.
    let kept = Arc::new(Mutex::new(Some((work, place))));
    let take = |kept: &Mutex<Option<_>>| kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let taken = Arc::clone(&kept);
    let run = move || {
        if let Some((work, place)) = take(&taken) {
            Work::run(work, place);
        }
    };
    PanicMessage::catch(|| runtime.spawn_blocking(run)).map(drop).map_err(|panic| {
        drop(take(&kept));
        Error::with_source(ErrorKind::NoWorker, panic)
    })
}

/// One of those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |waiting| (waiting < most).then_some(waiting + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
