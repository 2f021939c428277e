//! A lease: a permit, and a connection once it is requested, which a worker lends to a publication.

mod drop_reason;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Instant;

use tokio::runtime::Handle;

pub use self::drop_reason::DropReason;
use crate::error::BoxError;
use crate::ledger::Ledger;
use crate::transaction::{Database, Phase, Stopped, Switch};

/// The worker's side of a [`Lease`]: it provides the connection and takes it back.
///
/// Implemented by pools. All methods are called in the worker, and may block. It is `Send` so that
/// the compiler's messages name the lease as the value that stays in its worker
/// ([`StaysInItsWorker`]).
pub trait LeaseSource<D: Database>: Send {
    /// Returns the database.
    fn database(&self) -> &D;

    /// Returns the warmest idle connection, or a new one.
    ///
    /// # Errors
    /// The error of [`Database::connect`].
    fn checkout(&mut self) -> Result<D::Connection, BoxError>;

    /// Opens a new connection, although there may be idle ones: if a server is gone, they may all
    /// lead to it. Default: [`checkout`](Self::checkout).
    ///
    /// # Errors
    /// The error of [`Database::connect`].
    fn open(&mut self) -> Result<D::Connection, BoxError> {
        self.checkout()
    }

    /// Drops a connection that must not be used again, and counts the reason.
    fn discard(&mut self, connection: D::Connection, reason: DropReason);

    /// Returns whether the client of this job has disconnected.
    fn client_is_gone(&self) -> bool;

    /// Returns the ledger of this pool.
    fn ledger(&self) -> &Ledger;

    /// Returns the switch that stops the transactions of this job. The pool fires it when the job's
    /// deadline passes, when its client disconnects, and when a drain times out. Default: `None`,
    /// so nothing stops them.
    fn switch(&self) -> Option<&Switch> {
        None
    }

    /// Returns the time at which the switch is fired, if the job has a deadline. Default: `None`.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Sets the job's phase, and returns the previous one. Pools that list their jobs store it.
    /// Default: not stored.
    fn enter(&self, phase: Phase) -> Phase {
        let _ = phase;
        Phase::Publishing
    }

    /// Spawns a task of a transaction that has committed. A pool should wait for it when it is
    /// closed. Default: it is spawned on the runtime of this thread, or dropped, with a line in the
    /// log, if there is no runtime.
    fn spawn(&self, task: Task) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(task)),
            Err(error) => tracing::error!(%error, "a task of a committed transaction is lost"),
        }
    }
}

/// Work that continues after a transaction has committed:
/// [`Transaction::spawn_after_commit`](crate::transaction::Transaction).
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A marker in leases and their transactions, which the compiler's message names when code tries to
/// send one to another thread.
///
/// A transaction ends when its publisher returns, and its connection then serves another one. Code
/// that runs later (a promise, a deferred response, a writer or an iterator) can use neither. Read
/// the values first, and move them into that code.
#[derive(Debug)]
pub enum StaysInItsWorker {}

/// A permit and a connection, lent to one job while it runs in a worker.
///
/// The permit is held as long as the job runs. The connection is opened, or taken from the idle
/// ones, when [`connection`](Lease::connection) is first called, so a job that never calls it uses
/// none.
///
/// ```compile_fail
/// # use euryale_core::Database;
/// # use euryale_core::transaction::Lease;
/// // A lease, or what it lends, cannot leave its worker.
/// fn keep<D: Database>(lease: &mut Lease<'_, D>) -> &'static mut D::Connection {
///     lease.connection().unwrap()
/// }
/// ```
pub struct Lease<'a, D: Database> {
    // This is the first field, because the compiler names the first one that cannot be sent.
    stays: PhantomData<*mut StaysInItsWorker>,
    source: &'a mut dyn LeaseSource<D>,
    connection: &'a mut Option<D::Connection>,
}

impl<'a, D: Database> Lease<'a, D> {
    /// Lends `connection`, which stays with the worker. If it is `None`, the first use of the lease
    /// takes a connection from `source`.
    pub fn new(
        source: &'a mut dyn LeaseSource<D>,
        connection: &'a mut Option<D::Connection>,
    ) -> Self {
        Self {
            stays: PhantomData,
            source,
            connection,
        }
    }

    /// Returns the connection.
    ///
    /// # Errors
    /// [`Unavailable`] if a new connection was needed and could not be opened.
    pub fn connection(&mut self) -> Result<&mut D::Connection, Unavailable> {
        self.connection_by(|source| source.checkout())
    }

    /// Like [`connection`](Self::connection), but never an idle one.
    pub(crate) fn new_connection(&mut self) -> Result<&mut D::Connection, Unavailable> {
        self.connection_by(|source| source.open())
    }

    fn connection_by(
        &mut self,
        open: impl FnOnce(&mut dyn LeaseSource<D>) -> Result<D::Connection, BoxError>,
    ) -> Result<&mut D::Connection, Unavailable> {
        match &mut *self.connection {
            Some(connection) => Ok(connection),
            empty => {
                let before = self.source.enter(Phase::Connecting);
                let opened = open(self.source);
                self.source.enter(before);
                let opened = opened.map_err(|source| Unavailable {
                    doing: "connect",
                    source,
                })?;
                Ok(empty.insert(opened))
            }
        }
    }

    /// Returns whether this lease already holds a connection.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Drops the connection, if there is one, so that it is never used again. The next call of
    /// [`connection`](Lease::connection) gets another one.
    pub fn discard(&mut self, reason: DropReason) {
        if let Some(connection) = self.connection.take() {
            self.source.discard(connection, reason);
        }
    }

    /// Returns the database.
    pub fn database(&self) -> &D {
        self.source.database()
    }

    /// Returns whether the client has disconnected and will not read the answer.
    pub fn client_is_gone(&self) -> bool {
        self.source.client_is_gone()
    }

    /// Returns the ledger of the pool.
    pub fn ledger(&self) -> &Ledger {
        self.source.ledger()
    }

    /// Returns the time at which the transaction is stopped.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.source.deadline()
    }

    /// Records that a transaction begins, which can be stopped from now on.
    pub(crate) fn arm(&self) {
        if let Some(switch) = self.source.switch() {
            switch.arm();
        }
    }

    /// Records that the transaction is about to begin in the database.
    ///
    /// # Errors
    /// The transaction was stopped before.
    pub(crate) fn watch(&self) -> Result<(), Stopped> {
        let connection = self.connection.as_ref();
        let interrupt = connection.and_then(|connection| self.database().interrupt(connection));
        match (self.source.switch(), interrupt) {
            (Some(switch), Some(interrupt)) => switch.watch(interrupt),
            _ => self.go_on(),
        }
    }

    /// # Errors
    /// The transaction was stopped.
    pub(crate) fn go_on(&self) -> Result<(), Stopped> {
        let stopped = self.source.switch().and_then(Switch::stopped);
        stopped.map_or(Ok(()), Err)
    }

    /// Records that the transaction writes, so that it does not end with its client.
    pub(crate) fn outlives_client(&self) {
        if let Some(switch) = self.source.switch() {
            switch.outlives_client();
        }
    }

    /// Records that the transaction ends, so that nothing stops it from now on. A connection that a
    /// late call may still reach is dropped.
    ///
    /// # Errors
    /// The transaction was stopped before, and must not commit.
    pub(crate) fn disarm(&mut self) -> Result<(), Stopped> {
        let Some(switch) = self.source.switch() else {
            return Ok(());
        };
        // The thread that watches the deadline may be late.
        let deadline = self.source.deadline();
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            switch.fire(Stopped::Deadline);
        }
        let Err(fired) = switch.disarm() else {
            return Ok(());
        };
        if fired.may_be_late {
            self.discard(DropReason::Interrupted);
        }
        Err(fired.why)
    }

    /// Records that from now on the job may have committed something.
    pub(crate) fn commits(&self) {
        if let Some(switch) = self.source.switch() {
            switch.commits();
        }
    }

    pub(crate) fn enter(&self, phase: Phase) -> Phase {
        self.source.enter(phase)
    }

    pub(crate) fn spawn(&self, task: Task) {
        self.source.spawn(task);
    }

    /// Returns the same lease with a shorter lifetime.
    pub fn reborrow(&mut self) -> Lease<'_, D> {
        Lease {
            stays: PhantomData,
            source: &mut *self.source,
            connection: &mut *self.connection,
        }
    }

    /// Runs `f` on the database and the connection. Returns `None` if there is no connection.
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&D, &mut D::Connection) -> R) -> Option<R> {
        let database = self.source.database();
        self.connection
            .as_mut()
            .map(|connection| f(database, connection))
    }
}

impl<D: Database> fmt::Debug for Lease<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// The database is unavailable: a connection could not be opened, or a transaction could not begin.
///
/// It is answered 503 with Retry-After, unless the database classifies its source as a conflict.
#[derive(Debug)]
pub struct Unavailable {
    pub(crate) doing: &'static str,
    pub(crate) source: BoxError,
}

impl Unavailable {
    /// Creates the error for a transaction that could not begin or continue.
    pub(crate) fn begin(source: impl Into<BoxError>) -> Self {
        Self {
            doing: "begin",
            source: source.into(),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database unavailable: {} failed", self.doing)
    }
}

impl std::error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
