//! Failures: of publishers, of services, and of code that panics.
//!
//! A publisher returns an [`Abort`]. A service returns an [`Error`].
//!
//! An [`Error`] has a [`Code`], which says what happened. The crate that raises the error declares
//! it. Its [`Class`] says what a client may do, and decides the status.
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

/// Why a request has no response of its own. Opaque; ask [`code`](Error::code), and the source
/// chain for the cause.
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
    // An error must be `Sync`; what it carries need not be.
    carried: Mutex<Carried>,
}

enum Carried {
    Nothing,
    Pending(Pending),
    /// A response. Its type is not named here: bodies run work that fails with errors.
    Response(Box<dyn Any + Send>),
}

impl Error {
    /// An error with this code, without a cause.
    pub fn new(code: Code) -> Self {
        Self::build(code, None, Carried::Nothing)
    }

    /// An error with this code, and its cause.
    pub fn with_source(code: Code, source: impl Into<BoxError>) -> Self {
        Self::build(code, Some(source.into()), Carried::Nothing)
    }

    /// A publisher's suspension, on its way to the layer that resolves it.
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

    /// What happened.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// Returns whether this is what happened.
    pub fn is(&self, code: Code) -> bool {
        self.inner.code == code
    }

    /// What the client may do about it.
    pub fn class(&self) -> Class {
        self.inner.code.class()
    }

    /// The same error with another code: a conflict becomes the last one, say.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.inner.code = code;
        self
    }

    /// The same error, but raised when the request's transaction was over, so that its effects
    /// remain. `RespondLayer` then does not invite the client to repeat a request whose method is
    /// not safe.
    #[must_use]
    pub fn after_transaction(mut self) -> Self {
        self.inner.after_transaction = true;
        self
    }

    /// Returns whether it was raised when the request's transaction was over.
    pub fn is_after_transaction(&self) -> bool {
        self.inner.after_transaction
    }

    /// The same error, with a sentence for the client that replaces the one of its code: for
    /// example which limit was exceeded, and its value. No internals; those belong in the source.
    #[must_use]
    pub fn telling(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.inner.told = Some(sentence.into());
        self
    }

    /// The sentence for the client, if the error has [one of its own](Error::telling).
    pub fn told(&self) -> Option<&str> {
        self.inner.told.as_deref()
    }

    /// Marks that the failed transaction has written, or tried to, so that the next attempt begins
    /// as a writer.
    pub fn wrote(&self) -> bool {
        self.inner.wrote
    }

    pub(crate) fn set_wrote(mut self, wrote: bool) -> Self {
        self.inner.wrote = wrote;
        self
    }

    /// Takes what the publisher waits for, if this is a suspension. Returns it only once.
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
