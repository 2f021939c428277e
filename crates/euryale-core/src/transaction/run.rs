//! The life of a transaction: the order of its steps, and the meaning of each failure.

use std::io;

use super::database::fault;
use super::{After, AlreadyReading, Transaction, wait};
use crate::body::{Descriptors, Early, NoDescriptor};
use crate::error::abort::Reason;
use crate::error::{
    APPLICATION, Abort, BoxError, CLIENT_GONE, CONFLICT, Code, Error, IN_DOUBT, NO_DESCRIPTOR,
    PANICKED, PUBLISH_ELAPSED, PanicMessage, STORAGE_FULL, SUSPENDED, UNAVAILABLE,
    drop_each_quietly,
};
use crate::request::Response;
use crate::transaction::{
    Access, Attempt, Database, DropReason, Fault, Lease, Participant, Phase, Settled, SnapshotPin,
    Unavailable,
};

/// How a transaction is run.
#[derive(Debug)]
#[must_use]
pub struct TransactionOptions {
    attempt: Attempt,
    access: Access,
    abort_if_gone: bool,
    pin: Option<SnapshotPin>,
    early: Option<Box<Early>>,
}

impl TransactionOptions {
    /// Creates options for a transaction of this attempt, which begins with this access.
    pub fn new(attempt: Attempt, access: Access) -> Self {
        Self {
            attempt,
            access,
            abort_if_gone: false,
            pin: None,
            early: None,
        }
    }

    /// Aborts if the client has disconnected before the votes. By default a publication is finished
    /// and committed.
    pub fn abort_if_gone(mut self, abort: bool) -> Self {
        self.abort_if_gone = abort;
        self
    }

    /// Reads the state that an earlier pass saw, or leaves its own state to a later one. Default:
    /// the current state.
    pub fn pin(mut self, pin: impl Into<Option<SnapshotPin>>) -> Self {
        self.pin = pin.into();
        self
    }

    /// Lets the publication answer early. Default: it must not.
    pub fn early(mut self, early: impl Into<Option<Early>>) -> Self {
        self.early = early.into().map(Box::new);
        self
    }
}

/// The end of a transaction without an error.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The transaction was committed.
    Committed(T),
    /// The transaction was aborted because it was doomed; the value is still the result.
    Doomed(T),
    /// The transaction was aborted with a response.
    Refused(Response),
}

impl<D: Database> Transaction<'_, D> {
    /// Runs `f` in a transaction on `lease`, in this thread, from its beginning to its hooks.
    ///
    /// When this returns, the transaction is committed, aborted or in doubt, and counted as such in
    /// the lease's ledger. A panic anywhere in application code is caught; the connection that was
    /// in use is dropped.
    ///
    /// # Errors
    /// By code: [`CONFLICT`] (aborted, may be run again), [`UNAVAILABLE`], [`SUSPENDED`],
    /// [`PANICKED`], [`IN_DOUBT`] (must not be run again), [`PUBLISH_ELAPSED`], [`CLIENT_GONE`],
    /// [`CLOSED`](crate::error::CLOSED) (stopped: nothing was committed), [`STORAGE_FULL`],
    /// [`APPLICATION`].
    pub fn run<T>(
        lease: &mut Lease<'_, D>,
        options: TransactionOptions,
        f: impl FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        let TransactionOptions {
            attempt,
            access,
            abort_if_gone,
            pin,
            early,
        } = options;
        let mut transaction = Transaction::new(lease.reborrow(), attempt, access, pin);
        transaction.early = early;

        if let Err(why) = transaction.lease.go_on() {
            return transaction.refuse(Abort::error(why));
        }
        let value = match PanicMessage::catch(|| f(&mut transaction)) {
            Ok(Ok(value)) => value,
            Ok(Err(abort)) => return transaction.refuse(abort),
            Err(panic) => return Err(transaction.fail(panic)),
        };
        match PanicMessage::catch(|| transaction.prepare(abort_if_gone)) {
            Ok(Ok(Ready::Vote)) => {}
            Ok(Ok(Ready::Doomed)) => {
                transaction.roll_back();
                return Ok(Outcome::Doomed(value));
            }
            Ok(Err(abort)) => return transaction.refuse(abort),
            Err(panic) => return Err(transaction.fail(panic)),
        }
        transaction.commit().map(|()| Outcome::Committed(value))
    }

    /// Calls the gates, hooks and votes, which may still prevent the commit.
    fn prepare(&mut self, abort_if_gone: bool) -> Result<Ready, Abort> {
        self.lease.enter(Phase::Preparing);
        let attempt = self.attempt.clone();
        // A doomed transaction runs no hooks, but a gate's abort replaces its answer.
        let was_doomed = self.doomed;
        // A hook may register another one, and add a gate.
        loop {
            attempt.check_gates()?;
            if was_doomed || self.before_commit.is_empty() {
                break;
            }
            for hook in std::mem::take(&mut self.before_commit) {
                hook(self)?;
            }
        }
        if self.doomed {
            return Ok(Ready::Doomed);
        }
        if abort_if_gone && self.lease.client_is_gone() {
            return Err(Abort::error(Error::new(CLIENT_GONE)));
        }
        // A publisher may have ignored the error with which its statement was stopped.
        self.lease.go_on().map_err(Abort::error)?;
        self.participants
            .iter_mut()
            .try_for_each(|participant| participant.vote())
            .map_err(Abort::error)?;
        Ok(Ready::Vote)
    }

    /// Commits. This is the point of no return: nothing stops a transaction that has reached it,
    /// and after the database has committed, no error can fail the request.
    fn commit(mut self) -> Result<(), Error> {
        if let Err(why) = self.lease.disarm() {
            self.roll_back();
            return Err(Error::with_source(why.code(), why));
        }
        self.lease.commits();
        // From here on no panic causes a rollback; only an error of the database does.
        if std::mem::take(&mut self.begun) {
            self.lease.enter(Phase::Committing);
            match PanicMessage::catch(|| self.database_commit()) {
                Ok(Some(Ok(()))) => self.lease.ledger().transactions.committed.add(1),
                Ok(Some(Err(refused))) => match self.fault(&*refused).unwrap_or(Fault::InDoubt) {
                    Fault::InDoubt | Fault::Disconnected => self.after_doubt(refused)?,
                    fault @ (Fault::Conflict
                    | Fault::LostBeforeCommit
                    | Fault::Elapsed
                    | Fault::Full
                    | Fault::Other) => {
                        self.begun = true;
                        let error = self.translate(refused, fault);
                        self.roll_back();
                        return Err(error);
                    }
                },
                Ok(None) => {
                    return Err(self.doubt("the connection was lost before the commit".into()));
                }
                Err(panic) => self.after_doubt(Box::new(panic))?,
            }
        }
        self.lease.enter(Phase::Finishing);
        let mut failures: Vec<BoxError> = Vec::new();
        for mut participant in std::mem::take(&mut self.participants) {
            // The participant is also dropped inside, so that a panic in its `Drop` does not
            // prevent the notification of others.
            match PanicMessage::catch(move || participant.finish()) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push(error),
                Err(panic) => failures.push(Box::new(panic)),
            }
        }
        let hooks = std::mem::take(&mut self.after_commit);
        self.run_after(hooks, "after-commit");
        for task in std::mem::take(&mut self.tasks) {
            let task = wait::counted(self.lease.ledger(), task);
            self.lease.spawn(task);
        }
        self.lease
            .ledger()
            .transactions
            .finish_failures
            .add(failures.len() as u64);
        for error in failures {
            tracing::error!(
                error = &*error as &dyn std::error::Error,
                "a participant failed after the commit"
            );
        }
        Ok(())
    }

    /// Rolls back because the publisher, a gate, a hook or a vote has aborted.
    fn refuse<T>(mut self, abort: Abort) -> Result<Outcome<T>, Error> {
        let stopped = self.lease.disarm().err();
        let mut error = match abort.reason {
            Reason::Response(response) => {
                self.roll_back();
                return Ok(Outcome::Refused(*response));
            }
            Reason::Suspend(pending) => {
                if stopped.is_none() {
                    self.leave_snapshot();
                    Error::suspended(pending).set_wrote(self.wrote)
                } else {
                    // The promises will not be resolved any more. The code is set below.
                    Error::new(SUSPENDED)
                }
            }
            Reason::Error(error) => {
                let fault = self.fault(&*error).unwrap_or(Fault::Other);
                self.translate(error, fault)
            }
        };
        // The reason counts, whatever error the publisher returned for it.
        if let Some(why) = stopped {
            error = error.with_code(why.code());
        }
        self.roll_back();
        // An error of a nested call may carry the response of an inner abort.
        match error.take_response() {
            Some(response) => Ok(Outcome::Refused(response)),
            None => Err(error),
        }
    }

    /// Rolls back because application code panicked; its connection is in an unknown state.
    fn fail(mut self, panic: PanicMessage) -> Error {
        self.roll_back();
        self.lease.discard(DropReason::Panicked);
        Error::with_source(PANICKED, panic)
    }

    fn roll_back(&mut self) {
        self.lease.enter(Phase::Aborting);
        if let Err(why) = self.lease.disarm() {
            self.lease.ledger().transactions.stopped.of(why).add(1);
        }
        let mut failure: Option<BoxError> = None;
        if std::mem::take(&mut self.begun) {
            failure = match PanicMessage::catch(|| self.lease.with(D::abort)) {
                Ok(Some(Err(error))) => Some(error),
                Err(panic) => Some(Box::new(panic)),
                Ok(None | Some(Ok(()))) => None,
            };
            self.lease.ledger().transactions.aborted.add(1);
            if failure.is_some() {
                self.lease.discard(DropReason::Abort);
            }
        }
        self.tell("abort", Participant::abort);
        let hooks = std::mem::take(&mut self.after_abort);
        self.run_after(hooks, "after-abort");
        if let Some(error) = failure {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "abort failed; the connection was dropped"
            );
        }
    }

    /// Asks the database for the outcome of a commit whose answer was lost.
    ///
    /// # Errors
    /// The commit did not take place, which is a conflict, or its outcome stays unknown.
    fn after_doubt(&mut self, error: BoxError) -> Result<(), Error> {
        match self.settle() {
            Settled::Committed => {
                self.lease.ledger().transactions.committed.add(1);
                Ok(())
            }
            Settled::Aborted => {
                // Another connection has settled it, so there is nothing to roll back on this one.
                self.lease.ledger().transactions.aborted.add(1);
                self.roll_back();
                Err(Error::with_source(CONFLICT, error).set_wrote(true))
            }
            Settled::Unknown => Err(self.doubt(error)),
        }
    }

    /// Ends a transaction whose commit has an unknown outcome: nothing is undone or retried.
    fn doubt(&mut self, error: BoxError) -> Error {
        self.lease.ledger().transactions.in_doubt.add(1);
        self.lease.discard(DropReason::InDoubt);
        self.tell("in_doubt", Participant::in_doubt);
        Error::with_source(IN_DOUBT, error)
    }

    /// Notifies every participant of the outcome, and drops it.
    fn tell(&mut self, end: &str, tell: fn(&mut (dyn Participant + 'static))) {
        for mut participant in std::mem::take(&mut self.participants) {
            if let Err(panic) = PanicMessage::catch(move || tell(&mut *participant)) {
                tracing::error!(%panic, end, "a participant panicked");
            }
        }
    }

    fn run_after(&self, hooks: Vec<After>, phase: &str) {
        for hook in hooks {
            if let Err(panic) = PanicMessage::catch(hook) {
                self.lease.ledger().transactions.hook_failures.add(1);
                tracing::error!(%panic, phase, "a hook panicked");
            }
        }
    }

    /// Returns the database's classification of an error, or `None` if that panics.
    fn fault(&self, error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
        PanicMessage::catch(|| fault(self.lease.database(), error)).ok()
    }

    /// Converts an application's error to the error of its request.
    fn translate(&mut self, error: BoxError, fault: Fault) -> Error {
        if fault == Fault::Elapsed && self.lease.go_on().is_ok() {
            self.lease.ledger().transactions.stopped.statement.add(1);
        }
        if matches!(fault, Fault::Disconnected | Fault::LostBeforeCommit) {
            self.lease.discard(DropReason::Disconnected);
        }
        let code = match fault {
            Fault::Conflict => Some(CONFLICT),
            Fault::Disconnected | Fault::LostBeforeCommit => Some(UNAVAILABLE),
            Fault::Elapsed => Some(PUBLISH_ELAPSED),
            Fault::Full => Some(STORAGE_FULL),
            // The source chain is also application code.
            Fault::InDoubt | Fault::Other => {
                PanicMessage::catch(|| code_in_chain(&*error)).unwrap_or(None)
            }
        };
        let error = match (error.downcast::<Error>(), code) {
            // The error already has this crate's type: it is from a nested `pool.run`, or from one
            // of our own checks.
            (Ok(own), None) => *own,
            (Ok(own), Some(code)) => Error::with_source(code, own),
            (Err(foreign), code) => Error::with_source(code.unwrap_or(APPLICATION), foreign),
        };
        // A reader can only meet a conflict by writing.
        let wrote = self.wrote || error.wrote() || error.is(CONFLICT);
        error.set_wrote(wrote)
    }
}

/// Returns the code of the first error in a chain that determines one: an [`Error`], a full disk,
/// or a process without a free descriptor.
fn code_in_chain(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| {
        if error.is::<AlreadyReading>() {
            Some(CONFLICT)
        } else if error.is::<Unavailable>() {
            Some(UNAVAILABLE)
        } else if error.downcast_ref().is_some_and(is_full) {
            Some(STORAGE_FULL)
        } else if error.is::<NoDescriptor>()
            || error.downcast_ref().is_some_and(Descriptors::are_exhausted)
        {
            Some(NO_DESCRIPTOR)
        } else {
            None
        }
    })
}

/// Returns whether the error is a full disk, because a publisher or a participant may also write
/// files.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

enum Ready {
    Vote,
    Doomed,
}

impl<D: Database> Drop for Transaction<'_, D> {
    fn drop(&mut self) {
        // `run` ends every transaction, so this is only for unexpected panics.
        if self.begun {
            self.roll_back();
            self.lease.discard(DropReason::Panicked);
        }
        self.lease.enter(Phase::Publishing);
        // Drops hooks that were never run, and gates that may form a reference cycle with the
        // attempt.
        self.attempt.close();
        drop_each_quietly(&mut self.before_commit);
        drop_each_quietly(&mut self.after_commit);
        drop_each_quietly(&mut self.after_abort);
        drop_each_quietly(&mut self.tasks);
    }
}
