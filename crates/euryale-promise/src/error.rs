//! What a promise may resolve to instead of a value, and why there may be neither.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use euryale_core::{Abort, BoxError, PanicMessage, Pending};

/// Why a promise has no value: a value itself, which the next pass sees.
///
/// `?` makes an abort of it, answered 500. Its causes are printed by [`Display`](fmt::Display) and
/// not by [`source`](StdError::source): what went wrong elsewhere says nothing about the
/// transaction at hand, and a database that is asked whether this is a conflict must not find that
/// of another database in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromiseError {
    /// Its code returned this error.
    Failed(Arc<dyn StdError + Send + Sync>),
    /// Its code panicked.
    Panicked(Arc<PanicMessage>),
    /// Its deadline, or that of its request, passed.
    Elapsed,
    /// The system has no thread for it.
    NoThread,
}

impl PromiseError {
    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into().into())
    }
}

impl fmt::Display for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => {
                write!(f, "a promise failed: {error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
            Self::Panicked(panic) => write!(f, "a promise {panic}"),
            Self::Elapsed => f.write_str("a promise was not resolved in time"),
            Self::NoThread => f.write_str("no thread to run a promise on"),
        }
    }
}

impl StdError for PromiseError {}

/// Why [`Promises::result`](crate::Promises::result) has no value.
///
/// `?` makes an [`Abort`] of it: one that suspends for [`NotResolved`](NoResult::NotResolved), so
/// that a publisher which cannot go on is published again, and a failure otherwise.
#[non_exhaustive]
pub enum NoResult {
    /// Nobody asked for this key, neither in this pass nor in one before.
    #[doc(alias = "FutureNotSubmittedError")]
    NotSubmitted,
    /// Asked for in this pass, and so there in the next one.
    #[doc(alias = "FutureNotResolvedError")]
    NotResolved(Pending),
    /// Resolved, and not with a value.
    Failed(PromiseError),
}

impl fmt::Display for NoResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSubmitted => NotSubmitted.fmt(f),
            Self::NotResolved(_) => f.write_str("the promise is not resolved yet"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for NoResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSubmitted => f.write_str("NotSubmitted"),
            Self::NotResolved(_) => f.write_str("NotResolved"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl From<NoResult> for Abort {
    fn from(reason: NoResult) -> Self {
        match reason {
            NoResult::NotSubmitted => Abort::error(NotSubmitted),
            NoResult::NotResolved(pending) => pending.into(),
            NoResult::Failed(error) => Abort::error(error),
        }
    }
}

#[derive(Debug)]
struct NotSubmitted;

impl fmt::Display for NotSubmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was submitted under this key")
    }
}

impl StdError for NotSubmitted {}

/// [`Promises::submit`](crate::Promises::submit) for a key that is resolved already: [`clear`] it
/// first.
///
/// [`clear`]: crate::Promises::clear
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FutureAlreadyResolvedError")]
pub struct AlreadyResolved;

impl fmt::Display for AlreadyResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key is resolved already")
    }
}

impl StdError for AlreadyResolved {}
