//! Another pool: its own threads, each with one connection, which take jobs from a channel. It
//! implements everything that [`Claim`] requires of a pool. It has no lanes, no priorities and no
//! limit of the wait, and the job of a client that has left keeps its place in the queue until a
//! thread takes it.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use euryale_core::error::{CLOSED, Class, Code, PANICKED};
use euryale_core::ledger::{Book, Counter, Figures};
use euryale_core::transaction::{Claim, DropReason, Lease, LeaseSource};
use euryale_core::{BoxError, Database, Error, Ledger};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Every thread is busy and the queue is full (503). This pool has its own error code.
pub(crate) const QUEUE_FULL: Code = Code::new(
    Class::Busy,
    "swap_pool.queue_full",
    "the queue of the threads is full",
);

/// A handle to the pool. The threads end when the last handle is dropped.
pub(crate) struct Threads<D: Database> {
    jobs: SyncSender<Job<D>>,
}

type Job<D> = Box<dyn FnOnce(&mut Lease<'_, D>) + Send>;

impl<D: Database> Threads<D> {
    /// Creates a pool in which `threads` jobs run at a time and up to `queue` more wait. Call it
    /// inside a runtime.
    pub(crate) fn new(
        database: D,
        threads: usize,
        queue: usize,
        ledger: &Ledger,
    ) -> io::Result<Self> {
        let (jobs, taken) = sync_channel(queue);
        let taken = Arc::new(Mutex::new(taken));
        let database = Arc::new(database);
        for _ in 0..threads {
            let source = Source {
                database: Arc::clone(&database),
                ledger: ledger.clone(),
                book: ledger.of(),
            };
            let taken = Arc::clone(&taken);
            let runtime = Handle::current();
            thread::Builder::new().spawn(move || work(&taken, source, &runtime))?;
        }
        Ok(Self { jobs })
    }
}

/// Runs one thread. Its connection never leaves the thread, and is dropped here.
fn work<D: Database>(jobs: &Mutex<Receiver<Job<D>>>, mut source: Source<D>, runtime: &Handle) {
    // The runtime is needed for tasks that a transaction spawns after its commit.
    let _runtime = runtime.enter();
    let mut connection = None;
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(&mut Lease::new(&mut source, &mut connection));
        if connection
            .as_mut()
            .is_some_and(|connection| !source.database.is_reusable(connection))
        {
            connection = None;
        }
    }
}

impl<D: Database> Clone for Threads<D> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
        }
    }
}

impl<D: Database> Claim for Threads<D> {
    type Database = D;

    fn run<T, F>(self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, D>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (result, done) = oneshot::channel();
        let queued = self.jobs.try_send(Box::new(move |lease| {
            // If the client has left, the job never starts.
            if result.is_closed() {
                return;
            }
            let returned = catch_unwind(AssertUnwindSafe(|| job(lease))).map_err(|_| {
                lease.discard(DropReason::Panicked);
                Error::new(PANICKED)
            });
            let _ = result.send(returned);
        }));
        let refused = queued.map_err(|refused| match refused {
            TrySendError::Full(_) => Error::new(QUEUE_FULL),
            TrySendError::Disconnected(_) => Error::new(CLOSED),
        });
        async move {
            refused?;
            done.await.map_err(|_| Error::new(CLOSED))?
        }
    }
}

/// The source of a lease's connection.
struct Source<D> {
    database: Arc<D>,
    ledger: Ledger,
    book: Arc<ThreadsBook>,
}

/// The counters of this pool, in the ledger of the stack.
#[derive(Debug, Default)]
struct ThreadsBook {
    dropped: Counter,
}

impl Book for ThreadsBook {
    fn figures(&self, figures: &mut Figures) {
        let help = "Connections dropped by the threads.";
        figures.counter("swap_pool_connections_dropped_total", help, &self.dropped);
    }
}

impl<D: Database> LeaseSource<D> for Source<D> {
    fn database(&self) -> &D {
        &self.database
    }

    fn checkout(&mut self) -> Result<D::Connection, BoxError> {
        self.database.connect()
    }

    fn discard(&mut self, connection: D::Connection, _reason: DropReason) {
        self.book.dropped.add(1);
        drop(connection);
    }

    fn client_is_gone(&self) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
