//! Transactions: their life, their store, and the pool's part in them.
//!
//! | for | type |
//! |---|---|
//! | a publisher | [`Transaction`], [`Attempt`], [`Participant`] |
//! | a store | [`Database`], [`Fault`], [`Interrupt`], [`Snapshot`], [`Doubt`] |
//! | a pool | [`Claim`], [`Publication`], [`Lease`], [`LeaseSource`], [`Switch`], [`Phase`] |
//! | a retry | [`History`], [`ConflictRule`] |
//! | a route | [`ReleasePoint`] |
//! | a layer that can refuse a commit | [`AnswerGate`], [`CommitGate`] |

mod answer;
mod attempt;
mod claim;
mod conflict;
mod database;
mod doubt;
mod interrupt;
mod lease;
mod participant;
mod phase;
mod release;
mod run;
mod settle;
mod snapshot;
mod wait;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use self::answer::AnswerGate;
pub use self::attempt::{Attempt, CommitGate, History};
pub use self::claim::{Claim, Publication, StopWhen};
pub use self::conflict::{AttemptAgain, Attempted, ConflictRule};
use self::database::fault;
pub use self::database::{Access, Begin, Database, Fault};
pub use self::doubt::{Doubt, Settled};
pub use self::interrupt::{Interrupt, Stopped, Switch};
pub use self::lease::{DropReason, Lease, LeaseSource, StaysInItsWorker, Task, Unavailable};
pub use self::participant::Participant;
pub use self::phase::Phase;
pub use self::release::{NotEarly, ReleasePoint};
pub use self::run::{Outcome, TransactionOptions};
pub use self::snapshot::{Snapshot, SnapshotPin};
use crate::body::{Early, EarlyAnswer};
use crate::error::{Abort, BoxError, Error, PanicMessage};

/// One transaction, lent to a publisher for one publication.
///
/// It connects and begins at the first call of [`connection`](Transaction::connection); a publisher
/// that never calls it uses no connection. It is committed when the publisher returns `Ok` and no
/// gate, hook or vote refuses:
///
/// `publish · gates · before-commit hooks · votes · commit · finish · after hooks`, and only then
/// the lease is returned.
///
/// Hooks belong to the attempt: those of an aborted one are dropped with it.
pub struct Transaction<'a, D: Database> {
    lease: Lease<'a, D>,
    attempt: Attempt,
    access: Access,
    pin: Option<SnapshotPin>,
    early: Option<Box<Early>>,
    begun: bool,
    wrote: bool,
    declared_writable: bool,
    doomed: bool,
    before_commit: Vec<BeforeCommit<D>>,
    after_commit: Vec<After>,
    after_abort: Vec<After>,
    participants: Vec<Box<dyn Participant>>,
    tasks: Vec<Task>,
}

type BeforeCommit<D> = Box<dyn FnOnce(&mut Transaction<'_, D>) -> Result<(), Abort> + Send>;
type After = Box<dyn FnOnce() + Send>;

impl<'a, D: Database> Transaction<'a, D> {
    fn new(
        lease: Lease<'a, D>,
        attempt: Attempt,
        access: Access,
        pin: Option<SnapshotPin>,
    ) -> Self {
        lease.arm();
        Self {
            lease,
            wrote: attempt.history().wrote,
            attempt,
            access,
            pin,
            early: None,
            begun: false,
            declared_writable: false,
            doomed: false,
            before_commit: Vec::new(),
            after_commit: Vec::new(),
            after_abort: Vec::new(),
            participants: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// Returns the connection, inside the transaction. The first call opens the connection and
    /// begins the transaction.
    ///
    /// # Errors
    /// [`Unavailable`], if the connection cannot be opened, the transaction cannot begin, or it was
    /// stopped ([`Stopped`]) and can no longer commit. Return it with `?`: it is answered with 503,
    /// or retried if the database classifies it as a conflict.
    pub fn connection(&mut self) -> Result<&mut D::Connection, Unavailable> {
        if self.begun {
            self.lease.go_on().map_err(Unavailable::begin)?;
        } else {
            self.begin()?;
        }
        self.lease.connection()
    }

    fn begin(&mut self) -> Result<(), Unavailable> {
        self.lease.connection()?;
        self.lease.watch().map_err(Unavailable::begin)?;
        let begin = Begin::new(self.access).deadline(self.lease.deadline());
        let before = self.lease.enter(Phase::Beginning);
        let began = match self.begin_pinned(begin) {
            Ok(true) => Ok(()),
            Ok(false) => self
                .lease
                .with(|database, connection| database.begin(connection, begin))
                .unwrap_or(Ok(())),
            Err(error) => Err(error),
        };
        self.lease.enter(before);
        if let Err(source) = began {
            // A busy database is not a fault of the connection, but any other error may be.
            let fault = fault(self.lease.database(), &*source);
            if !matches!(fault, Fault::Conflict | Fault::Elapsed) {
                self.lease.discard(DropReason::Begin);
            }
            return Err(Unavailable::begin(source));
        }
        self.begun = true;
        self.lease.ledger().transactions.begun.add(1);
        Ok(())
    }

    /// Begins with the snapshot of an earlier pass, if there is one for this transaction.
    fn begin_pinned(&mut self, begin: Begin) -> Result<bool, BoxError> {
        let Some(pin) = self.pin.as_ref().filter(|_| self.access == Access::Read) else {
            return Ok(false);
        };
        let Some(snapshot) = pin.snapshot() else {
            return Ok(false);
        };
        let began = self
            .lease
            .with(|database, connection| database.begin_at(connection, begin, &snapshot));
        let snapshots = &self.lease.ledger().snapshots;
        match began.unwrap_or(Ok(false)) {
            Ok(true) => snapshots.pinned.add(1),
            Ok(false) => {
                snapshots.gone.add(1);
                pin.put(None);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Saves the snapshot of a suspended pass for later ones.
    fn leave_snapshot(&mut self) {
        let has_only_read = self.begun && self.access == Access::Read && !self.wrote;
        let Some(pin) = self
            .pin
            .as_ref()
            .filter(|pin| has_only_read && pin.is_wanted())
        else {
            return;
        };
        let snapshot = PanicMessage::catch(|| self.lease.with(D::snapshot));
        let snapshot = match snapshot
            .unwrap_or_else(|panic| Some(Err(panic.into())))
            .unwrap_or(Ok(None))
        {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "no snapshot for the next pass"
                );
                None
            }
        };
        if snapshot.is_none() {
            self.lease.ledger().snapshots.unsupported.add(1);
        }
        pin.put(snapshot);
    }

    /// Declares that this transaction will write, regardless of the request's method. It then
    /// begins as a writer, and so do later attempts.
    ///
    /// # Errors
    /// [`AlreadyReading`], if the connection was used before. Return it with `?`: the request is
    /// then published again as a writer, if a `Retry` with `ConflictPolicy` is outside.
    pub fn writable(&mut self) -> Result<(), AlreadyReading> {
        self.wrote = true;
        self.declared_writable = true;
        if self.begun && self.access == Access::Read {
            return Err(AlreadyReading);
        }
        self.access = Access::Write;
        self.lease.outlives_client();
        Ok(())
    }

    /// Returns whether the publisher called [`writable`](Self::writable) in this attempt. An
    /// attempt that begins as a writer because the previous one wrote has not called it yet.
    pub fn declared_writable(&self) -> bool {
        self.declared_writable
    }

    /// The release point of the route, or `TransactionEnd` once the right to answer early has been
    /// used.
    pub fn release_point(&self) -> ReleasePoint {
        match self.early {
            Some(_) => ReleasePoint::BodyEnd,
            None => ReleasePoint::TransactionEnd,
        }
    }

    /// Takes the right to answer early, if the route's release point is the end of the body. For
    /// code that finds out later whether it needs it; see [`answer_early`](Self::answer_early).
    pub fn take_early(&mut self) -> Option<Early> {
        let outlives_client = self.access == Access::Write;
        let early = self.early.take()?;
        let early = early.outlive_client(outlives_client);
        Some(early.until(self.lease.deadline()))
    }

    /// Begins an answer whose body the publisher writes in this transaction, and whose first part
    /// leaves while the rest is being written. The worker and the connection stay with the
    /// publisher until its transaction has ended; a slow client holds them only if the answer
    /// fills its [window and its file](crate::body::EarlyAnswers).
    ///
    /// Nothing can replace an answer whose first byte has left. An error, a conflict or a
    /// suspension after it breaks the body off. It is logged and counted, and never repeated.
    /// The end of the body follows the commit, so only a complete body confirms the transaction.
    ///
    /// ```
    /// use std::io::Write;
    /// use euryale_core::{Abort, Database, Request, Response, Transaction};
    ///
    /// fn report<D: Database>(
    ///     _: &Request,
    ///     transaction: &mut Transaction<'_, D>,
    /// ) -> Result<Response, Abort> {
    ///     let mut answer = transaction.answer_early(http::Response::new(()))?;
    ///     for row in 0..1000 {
    ///         // Read it from `transaction.connection()?`.
    ///         writeln!(answer, "{row}")?;
    ///     }
    ///     Ok(answer.finish())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotEarly`].
    pub fn answer_early(&mut self, head: http::Response<()>) -> Result<EarlyAnswer, NotEarly> {
        Ok(self.take_early().ok_or(NotEarly)?.answer(head))
    }

    /// Returns whether the connection was used. Only then is there anything to commit.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Makes this transaction abort at its end, whatever the publisher returns; its response is
    /// still sent.
    pub fn doom(&mut self) {
        self.doomed = true;
    }

    /// Runs `hook` before anything is committed, in the worker, in the order of registration. It
    /// may use the transaction, register more hooks, and abort.
    #[doc(alias = "addBeforeCommitHook")]
    pub fn before_commit<F>(&mut self, hook: F)
    where
        F: FnOnce(&mut Transaction<'_, D>) -> Result<(), Abort> + Send + 'static,
    {
        self.before_commit.push(Box::new(hook));
    }

    /// Runs `hook` once after this transaction has committed, in the worker. A panic in it is
    /// logged and counted, and has no other effect.
    #[doc(alias = "addAfterCommitHook")]
    pub fn after_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(hook));
    }

    /// Spawns `future` on the runtime once this transaction has committed; never when it is aborted
    /// or in doubt.
    ///
    /// The task exists only in memory, and is lost if the process crashes or ends before the task
    /// does. Write anything that must not be lost into the database in this transaction. The task
    /// runs in the span in which it was made, without a deadline and without a client, so limit its
    /// time. It is counted while it runs, and a pool that is closed waits for it. A panic is logged
    /// and counted.
    ///
    /// ```
    /// # use euryale_core::{Abort, Database, Transaction};
    /// fn order<D: Database>(transaction: &mut Transaction<'_, D>) -> Result<(), Abort> {
    ///     transaction.connection()?; // …
    ///     transaction.spawn_after_commit(async {
    ///         // Tell those who look at the list of orders.
    ///     });
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "callFromThread")]
    pub fn spawn_after_commit(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(wait::task(self.lease.ledger(), future));
    }

    /// Waits in this worker, for at most `within`, for a future that is driven by events on the
    /// runtime's other threads.
    ///
    /// The lease is held during that time, which a promise or a deferred response avoids. Use it
    /// for calls that take milliseconds, or whose result is needed before the commit. The future is
    /// polled in this thread, in the span of the request, and may borrow from the publisher. It is
    /// a method of the transaction because only a worker may block.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use euryale_core::{Abort, Database, Transaction};
    /// # async fn check(_: &str) -> bool { true }
    /// fn order<D: Database>(
    ///     number: &str,
    ///     transaction: &mut Transaction<'_, D>,
    /// ) -> Result<bool, Abort> {
    ///     Ok(transaction.block_on(Duration::from_millis(50), check(number))?)
    /// }
    /// ```
    ///
    /// # Errors
    /// With the code [`ELAPSED`](crate::error::ELAPSED), if the future was not ready in time. A
    /// future that waits for a permit of a pool itself ends at once, with
    /// [`WOULD_DEADLOCK`](crate::error::WOULD_DEADLOCK) in its own result. If it waits for another
    /// task that waits for a permit, only `within` ends the wait.
    #[doc(alias = "AsyncToSync")]
    pub fn block_on<F: Future>(&self, within: Duration, future: F) -> Result<F::Output, Error> {
        wait::block_on(within, future)
    }

    /// Runs `hook` once after this transaction has been aborted, in the worker. Not run when a
    /// commit is in doubt.
    pub fn after_abort(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.after_abort.push(Box::new(hook));
    }

    /// Adds `participant`, which votes on this transaction and learns its outcome.
    pub fn join(&mut self, participant: impl Participant) {
        self.participants.push(Box::new(participant));
    }

    /// Returns whether the client has disconnected. A long computation may then stop; by default
    /// the transaction is committed anyway.
    pub fn client_is_gone(&self) -> bool {
        self.lease.client_is_gone()
    }

    /// Returns the attempt to which this transaction belongs.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Returns the database.
    pub fn database(&self) -> &D {
        self.lease.database()
    }

    fn database_commit(&mut self) -> Option<Result<(), BoxError>> {
        self.lease.with(D::commit)
    }
}

impl<D: Database> fmt::Debug for Transaction<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("attempt", &self.attempt)
            .field("access", &self.access)
            .field("begun", &self.begun)
            .field("doomed", &self.doomed)
            .finish_non_exhaustive()
    }
}

/// [`Transaction::writable`] was called after the first [`Transaction::connection`] of a reading
/// transaction.
#[derive(Debug)]
pub struct AlreadyReading;

impl fmt::Display for AlreadyReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction reads already: call writable() before the first connection()")
    }
}

impl std::error::Error for AlreadyReading {}
