//! Aborts, errors and panics.
//!
//! A publisher returns an [`Abort`]. A service returns an [`Error`].
//!
//! An [`Error`] has a [`Code`], which says what happened and is declared by the crate that raises
//! the error. Its [`Class`] says what a client may do, and determines the status.
//!
//! The codes here are core's own: they belong to the life of a transaction, or several layers raise
//! them. Every other crate exports its codes at its root, such as `QUEUE_FULL` of
//! `euryale-connection`.

pub(crate) mod abort;
mod answer;
mod boxed;
mod chain;
mod class;
mod code;
mod codes;
mod line;
mod panic;
mod pending;
mod seldom;

use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};

pub use self::abort::{Abort, OrAbort, OrStatus};
pub use self::boxed::BoxError;
pub use self::class::Class;
pub use self::code::{Code, Level};
pub use self::codes::{
    ANSWER_ABANDONED, APPLICATION, BODY_STALLED, CLIENT_GONE, CLOSED, CONFLICT,
    CONFLICTS_EXHAUSTED, ELAPSED, IN_DOUBT, LANE_FULL, NO_DESCRIPTOR, NO_WORKER, PANICKED,
    PUBLISH_ELAPSED, REFUSED, STORAGE_FULL, SUSPENDED, UNAVAILABLE, WOULD_DEADLOCK,
};
pub use self::line::ErrorChain;
pub use self::panic::{CatchPanic, PanicMessage};
pub(crate) use self::panic::{drop_each_quietly, drop_quietly};
pub use self::pending::Pending;
pub use self::seldom::Seldom;

/// The reason why a request has no response of its own. It is opaque: [`code`](Error::code) says
/// what happened, and the chain of sources has the cause.
///
/// `RespondLayer` is the one place that turns it into a response.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    code: Code,
    source: Option<BoxError>,
    wrote: bool,
    after_transaction: bool,
    told: Option<Cow<'static, str>>,
    // An error must be `Sync`, but its contents need not be.
    carried: Mutex<Carried>,
}

enum Carried {
    Nothing,
    Pending(Pending),
    /// A response. Its type is not named here: bodies run work that fails with errors.
    Response(Box<dyn Any + Send>),
}

impl Error {
    /// Creates an error with this code and without a cause.
    pub fn new(code: Code) -> Self {
        Self::build(code, None, Carried::Nothing)
    }

    /// Creates an error with this code and its cause.
    pub fn with_source(code: Code, source: impl Into<BoxError>) -> Self {
        Self::build(code, Some(source.into()), Carried::Nothing)
    }

    /// Creates the error of a suspended publisher, for the layer that resolves its promises.
    pub fn suspended(pending: Pending) -> Self {
        Self::build(SUSPENDED, None, Carried::Pending(pending))
    }

    fn build(code: Code, source: Option<BoxError>, carried: Carried) -> Self {
        let carried = Mutex::new(carried);
        let inner = Inner {
            code,
            source,
            wrote: false,
            after_transaction: false,
            told: None,
            carried,
        };
        Self {
            inner: Box::new(inner),
        }
    }

    /// Returns the code, which says what happened.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// Returns whether the error has this code.
    pub fn is(&self, code: Code) -> bool {
        self.inner.code == code
    }

    /// Returns the class, which says what the client may do.
    pub fn class(&self) -> Class {
        self.inner.code.class()
    }

    /// Returns the same error with another code. For example, the last conflict of a request gets
    /// another code.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.inner.code = code;
        self
    }

    /// Marks the error as raised after the end of the request's transaction, whose effects remain.
    /// `RespondLayer` then does not invite the client to repeat a request whose method is not safe.
    #[must_use]
    pub fn after_transaction(mut self) -> Self {
        self.inner.after_transaction = true;
        self
    }

    /// Returns whether the error was raised after the end of the request's transaction.
    pub fn is_after_transaction(&self) -> bool {
        self.inner.after_transaction
    }

    /// Sets the sentence for the client, in place of the one of the code. For example, it may name
    /// the exceeded limit and its value. It must not reveal internals, which belong in the source.
    #[must_use]
    pub fn telling(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.inner.told = Some(sentence.into());
        self
    }

    /// Returns the sentence for the client, if the error has [its own](Error::telling).
    pub fn told(&self) -> Option<&str> {
        self.inner.told.as_deref()
    }

    /// Returns whether the failed transaction has written, or tried to, so that the next attempt
    /// begins as a writer.
    pub fn wrote(&self) -> bool {
        self.inner.wrote
    }

    pub(crate) fn set_wrote(mut self, wrote: bool) -> Self {
        self.inner.wrote = wrote;
        self
    }

    /// Takes the value that the suspended publisher waits for, if this is a suspension. Returns it
    /// only once.
    pub fn take_pending(&mut self) -> Option<Pending> {
        let carried = self
            .inner
            .carried
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(carried, Carried::Nothing) {
            Carried::Pending(pending) => Some(pending),
            other => {
                *carried = other;
                None
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.inner.code)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.code.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<BoxError> for Error {
    /// Converts errors of foreign middleware between our layers (tower's time-outs and buffers box
    /// errors). Our own errors are taken out of their box, and all others get the code
    /// [`APPLICATION`].
    fn from(boxed: BoxError) -> Self {
        match boxed.downcast::<Self>() {
            Ok(own) => *own,
            Err(foreign) => Self::with_source(APPLICATION, foreign),
        }
    }
}
