//! The errors of the calls of `collective.futures`.

use std::error::Error as StdError;
use std::fmt;

use euryale_core::Abort;
use euryale_core::error::Pending;

use crate::PromiseError;

/// The reason why [`Promises::result`](crate::Promises::result) has no value.
///
/// `?` turns it into an [`Abort`]: [`NotResolved`](NoResult::NotResolved) suspends, so that the
/// request is published again, and the others are failures.
#[non_exhaustive]
pub enum NoResult {
    /// The key was asked for neither in this pass nor in an earlier one.
    #[doc(alias = "FutureNotSubmittedError")]
    NotSubmitted,
    /// The key was asked for in this pass, and will be resolved in the next one.
    #[doc(alias = "FutureNotResolvedError")]
    NotResolved(Pending),
    /// The key resolved to a failure.
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

/// The key of [`Promises::submit`](crate::Promises::submit) is already resolved; [`clear`] it
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
