//! Stops a transaction from another thread.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{CLIENT_GONE, CLOSED, Code, PUBLISH_ELAPSED, PanicMessage};

/// The reason why a transaction was stopped before its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The deadline of the transaction has passed.
    Deadline,
    /// The transaction only reads, and its client has disconnected.
    ClientGone,
    /// The pool is closing, and its time-out has passed.
    Drain,
}

impl Stopped {
    const ALL: [Self; 3] = [Self::Deadline, Self::ClientGone, Self::Drain];

    /// Returns the code of the error with which the transaction ends.
    pub fn code(self) -> Code {
        match self {
            Self::Deadline => PUBLISH_ELAPSED,
            Self::ClientGone => CLIENT_GONE,
            Self::Drain => CLOSED,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "the transaction was stopped: its deadline has passed",
            Self::ClientGone => "the transaction was stopped: its client has disconnected",
            Self::Drain => "the transaction was stopped: the pool is closing",
        })
    }
}

impl std::error::Error for Stopped {}

/// Stops the running statement of one connection. Clones stop the same connection.
///
/// A database creates one for each connection that it opens, keeps it with the connection, and
/// returns it from [`Database::interrupt`](crate::transaction::Database::interrupt). There are two
/// forms:
///
/// * [`flag`](Interrupt::flag): the database calls [`is_set`](Interrupt::is_set) regularly while a
///   statement runs, and ends the statement when it returns `true`. The flag belongs to one
///   transaction, so it can never stop a statement of a later one.
/// * [`call`](Interrupt::call): a call stops the connection's statement. A call may arrive late, so
///   the connection is dropped afterwards.
#[derive(Clone)]
pub struct Interrupt {
    inner: Arc<Inner>,
}

struct Inner {
    /// The number of the connection's current transaction, counted by [`Switch`].
    current: AtomicU64,
    /// The last transaction that must stop.
    stopped: AtomicU64,
    call: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Interrupt {
    /// Creates a flag that the database polls.
    #[must_use]
    pub fn flag() -> Self {
        Self::new(None)
    }

    /// Creates an interrupt by `call`, which makes the connection end its statement.
    ///
    /// It is called at most once for each transaction, on any thread, including the runtime's, so
    /// it must not block. If the call takes a round trip, pass it on to another thread.
    #[must_use]
    pub fn call(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Some(Box::new(call)))
    }

    fn new(call: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                current: AtomicU64::new(1),
                stopped: AtomicU64::new(0),
                call,
            }),
        }
    }

    /// Returns whether the running statement must end. Always `false` outside a pool's transaction,
    /// and while one commits or rolls back.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let Inner {
            current, stopped, ..
        } = &*self.inner;
        stopped.load(Ordering::Acquire) == current.load(Ordering::Acquire)
    }

    /// Begins the next transaction, and returns its number.
    fn begin(&self) -> u64 {
        self.inner.current.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Ends the transaction: later statements do not belong to it.
    fn end(&self) {
        self.inner.current.fetch_add(1, Ordering::AcqRel);
    }

    fn stop(&self, transaction: u64) {
        // A late call has a smaller number.
        self.inner.stopped.fetch_max(transaction, Ordering::AcqRel);
        if let Some(call) = &self.inner.call
            && let Err(panic) = PanicMessage::catch(call)
        {
            tracing::error!(%panic, "the call that stops a statement panicked");
        }
    }

    fn may_be_late(&self) -> bool {
        self.inner.call.is_some()
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}

/// Decides whether a job's transaction is stopped or goes on to its end: one compare-and-swap, so
/// that it is never both.
///
/// A pool keeps one in each job, returns it from
/// [`LeaseSource::switch`](crate::transaction::LeaseSource::switch), and fires it. The transaction
/// arms it when it begins, and disarms it before it commits, rolls back or returns the connection.
///
/// ```text
///         arm             disarm
/// Open ────────▶ Armed ────────────▶ Open
///  │ fire          │ fire
///  ▼        arm    ▼
/// Due ─────────▶ Fired    for the rest of the job
/// ```
///
/// `Fired` means that the stopped transaction committed nothing, and that nothing will be committed
/// any more. The job may have committed another transaction before:
/// [`stopped_uncommitted`](Self::stopped_uncommitted) returns whether it has not. If the switch is
/// fired while it is open (the job has no transaction yet, or none at all), the job is stopped when
/// its next transaction begins.
pub struct Switch {
    state: AtomicU8,
    /// A transaction of the job has reached its commit.
    has_committed: AtomicBool,
    ends_with_client: AtomicBool,
    armed: Mutex<Option<Armed>>,
}

/// The connection's part of an armed switch.
struct Armed {
    interrupt: Interrupt,
    transaction: u64,
}

const OPEN: u8 = 0;
const ARMED: u8 = 1;
/// The reason is added to this number.
const DUE: u8 = 2;
/// The reason is added to this number.
const FIRED: u8 = DUE + Stopped::ALL.len() as u8;

/// The result of disarming a switch that was fired.
#[derive(Debug)]
pub(crate) struct Fired {
    pub(crate) why: Stopped,
    /// Whether a call may still reach the connection.
    pub(crate) may_be_late: bool,
}

impl Switch {
    /// Creates an open switch. With `ends_with_client`, [`client_gone`](Self::client_gone) fires
    /// it.
    #[must_use]
    pub fn new(ends_with_client: bool) -> Self {
        Self {
            state: AtomicU8::new(OPEN),
            has_committed: AtomicBool::new(false),
            ends_with_client: AtomicBool::new(ends_with_client),
            armed: Mutex::new(None),
        }
    }

    /// Stops the job's transaction. Returns `false` if there is none, or if it can no longer be
    /// stopped.
    pub fn fire(&self, why: Stopped) -> bool {
        let fired =
            self.state
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                    OPEN => Some(DUE + why as u8),
                    ARMED => Some(FIRED + why as u8),
                    _ => None,
                });
        if fired != Ok(ARMED) {
            return false;
        }
        // Either the handle has been stored already, or `watch` will see the mark.
        let armed = self.lock();
        if let Some(Armed {
            interrupt,
            transaction,
        }) = &*armed
        {
            let interrupt = interrupt.clone();
            let transaction = *transaction;
            drop(armed);
            interrupt.stop(transaction);
        }
        true
    }

    /// Records that the client has disconnected: fires the switch if the job ends with its client.
    pub fn client_gone(&self) -> bool {
        self.ends_with_client.load(Ordering::Relaxed) && self.fire(Stopped::ClientGone)
    }

    /// Returns why the job's transaction was stopped, if it was.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        let reason = self.state.load(Ordering::Acquire).checked_sub(FIRED)?;
        Stopped::ALL.get(usize::from(reason)).copied()
    }

    /// Like [`stopped`](Self::stopped), but only if no transaction of the job has reached its
    /// commit. Only then may the caller get an answer before the job has ended: nothing was
    /// committed, and nothing will be.
    #[must_use]
    pub fn stopped_uncommitted(&self) -> Option<Stopped> {
        // Relaxed is enough: a transaction after a commit is armed after the mark was set.
        self.stopped()
            .filter(|_| !self.has_committed.load(Ordering::Relaxed))
    }

    /// Records that a transaction begins. Called in the worker, like all methods below.
    pub(crate) fn arm(&self) {
        // An error means that the switch was fired before, and stays fired.
        let _ = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                OPEN => Some(ARMED),
                due if (DUE..FIRED).contains(&due) => Some(due - DUE + FIRED),
                _ => None,
            });
    }

    /// Records that the transaction uses this connection from now on.
    ///
    /// # Errors
    /// The transaction was stopped before.
    pub(crate) fn watch(&self, interrupt: &Interrupt) -> Result<(), Stopped> {
        self.go_on()?;
        *self.lock() = Some(Armed {
            interrupt: interrupt.clone(),
            transaction: interrupt.begin(),
        });
        // A thread that fired in between has found no connection.
        self.go_on()
    }

    fn go_on(&self) -> Result<(), Stopped> {
        self.stopped().map_or(Ok(()), Err)
    }

    /// Records that the transaction writes, so that it does not end with its client.
    pub(crate) fn outlives_client(&self) {
        self.ends_with_client.store(false, Ordering::Relaxed);
    }

    /// Records that the transaction, which was disarmed, is about to be committed.
    pub(crate) fn commits(&self) {
        self.has_committed.store(true, Ordering::Relaxed);
    }

    /// Disarms the switch: from here on the transaction can no longer be stopped.
    ///
    /// # Errors
    /// The transaction was stopped, and must not commit.
    pub(crate) fn disarm(&self) -> Result<(), Fired> {
        let _ = self
            .state
            .compare_exchange(ARMED, OPEN, Ordering::AcqRel, Ordering::Acquire);
        let Some(why) = self.stopped() else {
            return Ok(());
        };
        let armed = self.lock().take();
        if let Some(armed) = &armed {
            armed.interrupt.end();
        }
        Err(Fired {
            why,
            may_be_late: armed.is_some_and(|armed| armed.interrupt.may_be_late()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Armed>> {
        // Only assignments and clones run under this lock.
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Switch {
    /// Creates an open switch of a job that does not end with its client.
    fn default() -> Self {
        Self::new(false)
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch")
            .field("stopped", &self.stopped())
            .finish_non_exhaustive()
    }
}
