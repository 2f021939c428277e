//! What a promise may resolve to instead of a value, and why there may be neither.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use euryale_core::{BoxError, ErrorChain, PanicMessage};

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
                write!(f, "a promise failed: {}", ErrorChain::new(&**error))
            }
            Self::Panicked(panic) => write!(f, "a promise {panic}"),
            Self::Elapsed => f.write_str("a promise was not resolved in time"),
            Self::NoThread => f.write_str("no thread to run a promise on"),
        }
    }
}

impl StdError for PromiseError {}
