//! The life of a transaction: what follows on what, and what each failure means.

use super::{After, AlreadyReading, Transaction};
use crate::abort::Reason;
use crate::database::fault;
use crate::ledger::DropReason;
use crate::panic::{PanicMessage, caught};
use crate::{
    Abort, Access, Attempt, BoxError, Database, Error, ErrorKind, Fault, Lease, Response, Unavailable,
};

/// How a transaction is run.
#[derive(Clone, Debug)]
#[must_use]
pub struct TransactionOptions {
    attempt: Attempt,
    access: Access,
    abort_if_gone: bool,
}

impl TransactionOptions {
    /// A transaction of this attempt that begins with this access.
    pub fn new(attempt: Attempt, access: Access) -> Self {
        Self { attempt, access, abort_if_gone: false }
    }

    /// Aborts when the client is gone before the votes. By default a publication is finished and committed.
    pub fn abort_if_gone(mut self, abort: bool) -> Self {
        self.abort_if_gone = abort;
        self
    }
}

/// How a transaction ended, when it ended well.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Committed.
    Committed(T),
    /// Aborted because it was doomed; the value stands.
    Doomed(T),
    /// Aborted with a response.
    Refused(Response),
}

impl<D: Database> Transaction<'_, D> {
    /// Runs `f` in a transaction on `lease`, in this thread, from its beginning to its hooks.
    ///
    /// When it returns, the transaction is over: committed, aborted or in doubt, and counted as such in the lease's
    /// ledger. A panic anywhere in application code is caught; the connection that saw one is dropped.
    ///
    /// # Errors
    /// By kind: [`Conflict`](ErrorKind::Conflict) (aborted, may be run again), [`Unavailable`](ErrorKind::Unavailable),
    /// [`Suspended`](ErrorKind::Suspended), [`Panicked`](ErrorKind::Panicked), [`InDoubt`](ErrorKind::InDoubt) (must
    /// not be run again), [`ClientGone`](ErrorKind::ClientGone), [`Application`](ErrorKind::Application).
    pub fn run<T>(
        lease: &mut Lease<'_, D>,
        options: TransactionOptions,
        f: impl FnOnce(&mut Transaction<'_, D>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        let TransactionOptions { attempt, access, abort_if_gone } = options;
        let mut transaction = Transaction::new(lease.reborrow(), attempt, access);

        let value = match caught(|| f(&mut transaction)) {
            Ok(Ok(value)) => value,
            Ok(Err(abort)) => return transaction.refuse(abort),
            Err(panic) => return Err(transaction.fail(panic)),
        };
        if transaction.doomed {
            transaction.roll_back();
            return Ok(Outcome::Doomed(value));
        }
        match caught(|| transaction.prepare(abort_if_gone)) {
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

    /// Gates, hooks and votes: everything that may still say no.
    fn prepare(&mut self, abort_if_gone: bool) -> Result<Ready, Abort> {
        let attempt = self.attempt.clone();
        attempt.check_gates()?;
        // A hook may register another one.
        while !self.before_commit.is_empty() {
            for hook in std::mem::take(&mut self.before_commit) {
                hook(self)?;
            }
        }
        if self.doomed {
            return Ok(Ready::Doomed);
        }
        if abort_if_gone && self.lease.client_is_gone() {
            return Err(Abort::error(Error::new(ErrorKind::ClientGone)));
        }
        self.participants.iter_mut().try_for_each(|participant| participant.vote()).map_err(Abort::error)?;
        Ok(Ready::Vote)
    }

    /// The point of no return. What happens after the database has said yes cannot fail the request.
    fn commit(mut self) -> Result<(), Error> {
        if self.begun {
            match caught(|| self.database_commit().unwrap_or(Ok(()))) {
                Ok(Ok(())) => self.lease.ledger().transactions.committed.add(1),
                Ok(Err(refused)) => match fault(self.lease.database(), &*refused) {
                    Fault::InDoubt | Fault::Disconnected => return Err(self.doubt(refused)),
                    Fault::Conflict | Fault::Other => {
                        let error = self.translate(refused);
                        self.roll_back();
                        return Err(error);
                    }
                },
                Err(panic) => return Err(self.doubt(Box::new(panic))),
            }
            self.begun = false;
        }
        for mut participant in std::mem::take(&mut self.participants) {
            let error: BoxError = match caught(|| participant.finish()) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(panic) => Box::new(panic),
            };
            self.lease.ledger().transactions.finish_failures.add(1);
            tracing::error!(
                error = &*error as &dyn std::error::Error,
                "a participant failed after the commit"
            );
        }
        let hooks = std::mem::take(&mut self.after_commit);
        self.run_after(hooks, "after-commit");
        Ok(())
    }

    /// Rolls back because the publisher, a gate, a hook or a vote said so.
    fn refuse<T>(mut self, abort: Abort) -> Result<Outcome<T>, Error> {
        let result = match abort.reason {
            Reason::Response(response) => Ok(Outcome::Refused(*response)),
            Reason::Suspend(pending) => Err(Error::suspended(pending)),
            Reason::Error(error) => Err(self.translate(error)),
        };
        self.roll_back();
        result
    }

    /// Rolls back because application code panicked; its connection is in an unknown state.
    fn fail(mut self, panic: PanicMessage) -> Error {
        self.roll_back();
        self.lease.discard(DropReason::Panicked);
        Error::with_source(ErrorKind::Panicked, panic)
    }

    fn roll_back(&mut self) {
        if std::mem::take(&mut self.begun) {
            let aborted = caught(|| self.lease.with(D::abort));
            let error: Option<BoxError> = match aborted {
                Ok(Some(Err(error))) => Some(error),
                Err(panic) => Some(Box::new(panic)),
                Ok(None | Some(Ok(()))) => None,
            };
            if let Some(error) = error {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "abort failed; the connection is dropped"
                );
                self.lease.discard(DropReason::Abort);
            }
            self.lease.ledger().transactions.aborted.add(1);
        }
        for mut participant in std::mem::take(&mut self.participants) {
            if let Err(panic) = caught(|| participant.abort()) {
                tracing::error!(%panic, "a participant panicked in abort");
            }
        }
        let hooks = std::mem::take(&mut self.after_abort);
        self.run_after(hooks, "after-abort");
    }

    /// A commit was sent and its outcome is unknown: nothing is undone, nothing is tried again.
    fn doubt(&mut self, error: BoxError) -> Error {
        self.begun = false;
        self.lease.ledger().transactions.in_doubt.add(1);
        self.lease.discard(DropReason::InDoubt);
        for mut participant in std::mem::take(&mut self.participants) {
            if let Err(panic) = caught(|| participant.in_doubt()) {
                tracing::error!(%panic, "a participant panicked in in_doubt");
            }
        }
        Error::with_source(ErrorKind::InDoubt, error)
    }

    fn run_after(&self, hooks: Vec<After>, phase: &str) {
        for hook in hooks {
            if let Err(panic) = caught(hook) {
                self.lease.ledger().transactions.hook_failures.add(1);
                tracing::error!(%panic, phase, "a hook panicked");
            }
        }
    }

    /// What an error of application code means for its request.
    fn translate(&mut self, error: BoxError) -> Error {
        let fault = fault(self.lease.database(), &*error);
        if fault == Fault::Disconnected {
            self.lease.discard(DropReason::Disconnected);
        }
        let error = match error.downcast::<Error>() {
            // From this crate already: a nested `pool.run`, or our own check.
            Ok(own) if fault == Fault::Other => return *own,
            Ok(own) => own as BoxError,
            Err(foreign) => foreign,
        };
        let kind = match fault {
            Fault::Conflict => ErrorKind::Conflict,
            Fault::Disconnected => ErrorKind::Unavailable,
            Fault::InDoubt | Fault::Other if has_cause::<AlreadyReading>(&*error) => ErrorKind::Conflict,
            Fault::InDoubt | Fault::Other if has_cause::<Unavailable>(&*error) => ErrorKind::Unavailable,
            Fault::InDoubt | Fault::Other => ErrorKind::Application,
        };
        // A reader that meets a conflict met it by writing.
        let wrote = self.wrote || kind == ErrorKind::Conflict;
        Error::with_source(kind, error).set_wrote(wrote)
    }
}

enum Ready {
    Vote,
    Doomed,
}

impl<D: Database> Drop for Transaction<'_, D> {
    /// `run` ends every transaction; this is for a panic that no one foresaw.
    fn drop(&mut self) {
        if self.begun {
            self.roll_back();
            self.lease.discard(DropReason::Panicked);
        }
    }
}

fn has_cause<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<E>)
}
