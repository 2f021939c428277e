//! Connections of any [`r2d2::ManageConnection`] behind a [`Pool`](crate::Pool): diesel,
//! `r2d2_sqlite`, `r2d2_postgres`, ODBC. Only this trait of r2d2 is used, and not its pool. Needs
//! the feature `r2d2`.
//!
//! ```
//! use std::io;
//!
//! use euryale_connection::Pool;
//! use euryale_connection::r2d2::R2d2;
//!
//! // In a program: diesel's `ConnectionManager`, r2d2_postgres' `PostgresConnectionManager`, …
//! struct Manager;
//!
//! impl r2d2::ManageConnection for Manager {
//!     type Connection = Vec<&'static str>;
//!     type Error = io::Error;
//!     fn connect(&self) -> io::Result<Self::Connection> { Ok(Vec::new()) }
//!     fn is_valid(&self, _: &mut Self::Connection) -> io::Result<()> { Ok(()) }
//!     fn has_broken(&self, _: &mut Self::Connection) -> bool { false }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::new(R2d2::new(Manager), 2);
//! for rows in [1, 2] {
//!     let insert = |connection: &mut Vec<_>| { connection.push("row"); connection.len() };
//!     // `get` opens another connection if this one was idle and is no longer valid.
//!     assert_eq!(pool.run(move |connection| connection.get().map(insert)).await??, rows);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! This is enough for [`Pool::run`](crate::Pool::run). For publishers and
//! [`Pool::transaction`](crate::Pool::transaction), implement how this kind of connection begins,
//! commits and aborts: see [`TransactionControl`].
//!
//! # When is r2d2 called?
//!
//! | r2d2's | is called | at the cost of |
//! |---|---|---|
//! | `connect`, and then [`on_connect`](R2d2::on_connect) | for a new connection, or one in place of an invalid one | a connection, within the request |
//! | `has_broken` | after each job: `true` drops the connection | nothing, by r2d2's rule not to block |
//! | `is_valid` | before the first use in a job, if the connection was idle | a round trip, within the request |
//!
//! The first use is the beginning of a transaction, or [`Connection::get`] in a job without one. A
//! connection counts as idle after [`validate_after`](R2d2::validate_after), 500 ms by default.
//! r2d2's pool checks at each checkout (`test_on_check_out`). Here a connection that goes from job
//! to job under load is not checked, so the round trip is paid only when there is time for it. The
//! check is not a guarantee: if a connection breaks between the check and its use, the request sees
//! the error.
//!
//! An invalid connection is dropped before it is replaced, so that the cap also holds at the
//! database. The request fails only if no other connection can be opened. Once a transaction has
//! begun, nothing is checked or replaced.
//!
//! # Deployment
//!
//! If something between the program and the database drops idle connections silently, `is_valid`
//! blocks until the driver's time-out. Set
//! [`PoolBuilder::idle_timeout`](crate::PoolBuilder::idle_timeout) below the time of the silent
//! drop, and set time-outs in the driver. A replacement keeps the place of the old connection in
//! the pool: the ledger does not count it, a tracing event reports it, and its `max_lifetime`
//! counts from the opening of the old one.
//!
//! # Errors
//!
//! Errors keep their type and their sources; the manager's errors must be `Send + Sync`. A
//! connection that cannot be opened, or replaced when a transaction begins, is an
//! [`Error`](euryale_core::Error) with the code [`UNAVAILABLE`](euryale_core::error::UNAVAILABLE)
//! and the manager's error in its chain, unless [`classify`](TransactionControl::classify) returns
//! a conflict. A job without a transaction gets the manager's error from [`Connection::get`].
//! r2d2's pool retries for 30 s (`connection_timeout`); here the error is returned at once, and the
//! client may retry.
//!
//! # Panics
//!
//! A panic of a manager counts as a panic of the job, which is an error with the code
//! [`PANICKED`](euryale_core::error::PANICKED). A panic in `has_broken` only ends the connection.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::transaction::{Begin, Fault};
use euryale_core::{BoxError, Database};
use r2d2::ManageConnection;

use crate::closing::drop_quietly;

/// A [`Database`] with the connections of `M` and the transactions of `T`. Without `T` it works
/// only with [`Pool::run`](crate::Pool::run).
///
/// See the [module's documentation](self).
#[must_use]
pub struct R2d2<M: ManageConnection, T = NoTransactions> {
    manager: Arc<M>,
    on_connect: Hook<M>,
    control: T,
    validate_after: Option<Duration>,
}

/// A function that runs on each new connection before its first use.
type Hook<M> = Arc<
    dyn Fn(&mut <M as ManageConnection>::Connection) -> Result<(), <M as ManageConnection>::Error>
        + Send
        + Sync,
>;

impl<M> R2d2<M>
where
    M: ManageConnection<Error: Send + Sync>,
{
    /// Creates a database with the connections of `manager`, without transactions. Does not open a
    /// connection.
    pub fn new(manager: M) -> Self {
        Self {
            manager: Arc::new(manager),
            on_connect: Arc::new(|_| Ok(())),
            control: NoTransactions,
            validate_after: Some(Duration::from_millis(500)),
        }
    }
}

impl<M: ManageConnection, T> R2d2<M, T> {
    /// Begins, commits and aborts transactions by `control`.
    pub fn with_transactions<U>(self, control: U) -> R2d2<M, U>
    where
        U: TransactionControl<M::Connection>,
    {
        R2d2 {
            manager: self.manager,
            on_connect: self.on_connect,
            control,
            validate_after: self.validate_after,
        }
    }

    /// The idle time after which a connection is checked by `is_valid` before it is used. Default:
    /// 500 ms, as in `HikariCP` (`aliveBypassWindowMs`). With zero, each job that uses the
    /// connection checks it; with `None`, it is never checked.
    pub fn validate_after(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.validate_after = idle.into();
        self
    }

    /// Runs `hook` on each new connection, after earlier hooks. Use it for settings of the session.
    /// If it fails, the connection is dropped, and the hook's error is handled like an error of the
    /// manager's `connect`.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection) -> Result<(), M::Error> + Send + Sync + 'static,
    {
        let earlier = self.on_connect;
        self.on_connect = Arc::new(move |connection| {
            earlier(connection)?;
            hook(connection)
        });
        self
    }

    /// Returns the manager.
    pub fn manager(&self) -> &M {
        &self.manager
    }
}

impl<M, T> Database for R2d2<M, T>
where
    M: ManageConnection<Error: Send + Sync>,
    T: TransactionControl<M::Connection>,
{
    type Connection = Connection<M>;

    /// Fails with the manager's error.
    fn connect(&self) -> Result<Connection<M>, BoxError> {
        Ok(Connection {
            raw: Some(open(&*self.manager, &self.on_connect)?),
            manager: Arc::clone(&self.manager),
            on_connect: Arc::clone(&self.on_connect),
            validate_after: self.validate_after,
            idle_since: None,
        })
    }

    /// Replaces the connection if it was idle and is no longer valid, and begins a transaction.
    /// Fails with the manager's error, or that of [`TransactionControl::begin`].
    fn begin(&self, connection: &mut Connection<M>, begin: Begin) -> Result<(), BoxError> {
        self.control.begin(connection.get()?, begin)
    }

    /// Fails with the error of [`TransactionControl::commit`].
    fn commit(&self, connection: &mut Connection<M>) -> Result<(), BoxError> {
        self.control.commit(connection.begun()?)
    }

    /// Fails with the error of [`TransactionControl::abort`].
    fn abort(&self, connection: &mut Connection<M>) -> Result<(), BoxError> {
        self.control.abort(connection.begun()?)
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        self.control.classify(error)
    }

    /// Returns whether the connection is intact and has no open transaction.
    fn is_reusable(&self, connection: &mut Connection<M>) -> bool {
        // This is called at the end of each job. From now on the connection is idle until its next
        // use.
        connection.idle_since = Some(Instant::now());
        let Some(raw) = &mut connection.raw else {
            return false;
        };
        !self.manager.has_broken(raw) && !self.control.in_transaction(raw)
    }
}

impl<M: ManageConnection + fmt::Debug, T: fmt::Debug> fmt::Debug for R2d2<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("R2d2")
            .field("manager", &self.manager)
            .field("control", &self.control)
            .field("validate_after", &self.validate_after)
            .finish_non_exhaustive()
    }
}

/// Opens a connection and runs the hooks on it.
fn open<M: ManageConnection>(manager: &M, on_connect: &Hook<M>) -> Result<M::Connection, M::Error> {
    let mut raw = manager.connect()?;
    on_connect(&mut raw)?;
    Ok(raw)
}

/// A connection of a manager; see [`get`](Connection::get).
///
/// It does not dereference to the manager's connection, because the first use in a job checks
/// whether that is still valid, and may fail.
pub struct Connection<M: ManageConnection> {
    /// `None` after an invalid connection was dropped and no other could be opened.
    raw: Option<M::Connection>,
    manager: Arc<M>,
    on_connect: Hook<M>,
    validate_after: Option<Duration>,
    /// `None` from the first use in a job to the job's end, and for a new connection.
    idle_since: Option<Instant>,
}

impl<M: ManageConnection> Connection<M> {
    /// Returns the manager's connection. If it was idle for
    /// [`validate_after`](R2d2::validate_after) and is no longer valid, it is dropped and replaced
    /// first. Blocks as long as the manager does.
    ///
    /// Inside a transaction this cannot fail and costs nothing.
    ///
    /// # Errors
    /// The manager's error, if another connection was needed and could not be opened. The next call
    /// tries again.
    pub fn get(&mut self) -> Result<&mut M::Connection, M::Error> {
        if self.is_due()
            && let Some(raw) = &mut self.raw
            && let Err(error) = self.manager.is_valid(raw)
        {
            tracing::info!(%error, "an idle connection is no longer valid: it is replaced");
            drop_quietly(self.raw.take());
        }
        self.idle_since = None;
        match &mut self.raw {
            Some(raw) => Ok(raw),
            empty => Ok(empty.insert(open(&*self.manager, &self.on_connect)?)),
        }
    }

    /// Returns whether the connection was idle for so long that it must be checked.
    fn is_due(&self) -> bool {
        match (self.idle_since, self.validate_after) {
            (Some(since), Some(most)) => since.elapsed() >= most,
            _ => false,
        }
    }

    /// Returns the connection on which the transaction began.
    fn begun(&mut self) -> Result<&mut M::Connection, BoxError> {
        self.raw
            .as_mut()
            .ok_or_else(|| "the connection of this transaction was lost".into())
    }
}

impl<M: ManageConnection> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("is_open", &self.raw.is_some())
            .field("idle_since", &self.idle_since)
            .finish_non_exhaustive()
    }
}

/// Begins, commits and aborts transactions on connections of the type `C`, and classifies their
/// errors. All methods may block, and are called only in a worker.
///
/// ```
/// # use std::io;
/// use euryale_connection::{Pool, r2d2::{R2d2, TransactionControl}};
/// use euryale_core::BoxError;
/// use euryale_core::error::CONFLICT;
/// use euryale_core::transaction::{Begin, Fault};
/// # struct Manager;
/// # impl r2d2::ManageConnection for Manager {
/// #     type Connection = Counter;
/// #     type Error = io::Error;
/// #     fn connect(&self) -> io::Result<Counter> { Ok(Counter::default()) }
/// #     fn is_valid(&self, _: &mut Counter) -> io::Result<()> { Ok(()) }
/// #     fn has_broken(&self, _: &mut Counter) -> bool { false }
/// # }
/// #[derive(Default)]
/// struct Counter { // in a program: `diesel::PgConnection`, `rusqlite::Connection`, …
///     now: u32,
///     before: u32,
/// }
/// struct Undo;
///
/// impl TransactionControl<Counter> for Undo {
///     fn begin(&self, c: &mut Counter, _: Begin) -> Result<(), BoxError> {
///         c.before = c.now;
///         Ok(())
///     }
///     fn commit(&self, _: &mut Counter) -> Result<(), BoxError> { Ok(()) }
///     fn abort(&self, c: &mut Counter) -> Result<(), BoxError> { c.now = c.before; Ok(()) }
///     fn classify(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
///         match error.downcast_ref::<io::Error>().map(io::Error::kind) {
///             Some(io::ErrorKind::ResourceBusy) => Fault::Conflict,
///             Some(io::ErrorKind::ConnectionReset) => Fault::Disconnected,
///             _ => Fault::Other,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let pool = Pool::new(R2d2::new(Manager).with_transactions(Undo), 1);
/// let conflict = pool.claim().transaction_once(|transaction| {
///     transaction.connection()?.get()?.now += 1;
///     Err::<(), _>(io::Error::from(io::ErrorKind::ResourceBusy).into())
/// });
/// assert!(conflict.await.unwrap_err().is(CONFLICT));
/// assert_eq!(pool.transaction(|transaction| Ok(transaction.connection()?.get()?.now)).await?, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Known connections
///
/// * **diesel** with SQLite: use `euryale-diesel` instead.
/// * **diesel** otherwise: begin, commit and abort with `AnsiTransactionManager`, never with your
///   own SQL, because diesel counts its transactions. A failed commit has already rolled back, so
///   in `abort`, `NotInTransaction` is not an error. `DatabaseError(SerializationFailure, _)` is a
///   conflict, `DatabaseError(ClosedConnection, _)` a disconnection. `has_broken` detects open
///   transactions. PostgreSQL's deadlock has no error kind in diesel 2.3, only a message.
/// * **postgres**: SQLSTATE 40001 and 40P01 are conflicts ([PostgreSQL,
///   13.5](https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html));
///   `is_closed()`, [`io::Error`](std::io::Error) and 57P01 are disconnections.
/// * **rusqlite**: `BEGIN` to read, `BEGIN IMMEDIATE` to write; `ROLLBACK` unless
///   `is_autocommit()`. `in_transaction` is `!is_autocommit()`. `DatabaseBusy` and `DatabaseLocked`
///   are conflicts.
///
/// PostgreSQL answers `COMMIT` with a rollback *and no error* if a statement of the transaction has
/// failed and the publisher continued nevertheless (pgjdbc's `raiseExceptionOnSilentRollback`).
/// Send a `SELECT 1` before it, with the crate postgres in the same message (`batch_execute("SELECT
/// 1; COMMIT")`). It fails in such a transaction, so that a rollback is never mistaken for a
/// commit.
pub trait TransactionControl<C>: Send + Sync + 'static {
    /// Begins a transaction. No other transaction is open on this connection.
    ///
    /// # Errors
    /// The driver's error. The connection is dropped, unless the error is a conflict.
    fn begin(&self, connection: &mut C, begin: Begin) -> Result<(), BoxError>;

    /// Commits, like [`Database::commit`]: after an error that is neither [`Fault::InDoubt`] nor
    /// [`Fault::Disconnected`], nothing was committed, and [`abort`](TransactionControl::abort) is
    /// called next.
    ///
    /// # Errors
    /// The driver's error.
    fn commit(&self, connection: &mut C) -> Result<(), BoxError>;

    /// Rolls back. A failed commit may already have rolled back; a driver's error for that case is
    /// not an error here.
    ///
    /// # Errors
    /// The driver's error. The connection is dropped.
    fn abort(&self, connection: &mut C) -> Result<(), BoxError>;

    /// Classifies one error, without its sources. An error and its sources are classified one by
    /// one, outermost first, until the result is something other than [`Fault::Other`]. The
    /// manager's errors are classified as well.
    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault;

    /// Returns whether a transaction is still open after a job. If so, the connection is dropped,
    /// because the next publication must not begin inside an open transaction. Must not block.
    /// Default: `false`.
    fn in_transaction(&self, connection: &mut C) -> bool {
        let _ = connection;
        false
    }
}

/// The default without [`R2d2::with_transactions`]: beginning a transaction fails with this error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoTransactions;

impl<C> TransactionControl<C> for NoTransactions {
    fn begin(&self, _: &mut C, _: Begin) -> Result<(), BoxError> {
        Err(Box::new(Self))
    }

    fn commit(&self, _: &mut C) -> Result<(), BoxError> {
        Err(Box::new(Self))
    }

    fn abort(&self, _: &mut C) -> Result<(), BoxError> {
        Err(Box::new(Self))
    }

    fn classify(&self, _: &(dyn StdError + 'static)) -> Fault {
        Fault::Other
    }
}

impl fmt::Display for NoTransactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this database has no transactions: give it some by `R2d2::with_transactions`")
    }
}

impl StdError for NoTransactions {}
