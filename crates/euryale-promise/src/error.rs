//! Failures of promises, and limits that a request may exceed.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use euryale_core::BoxError;
use euryale_core::error::{ErrorChain, PanicMessage};

/// Why a promise has no value: a value itself, which the next pass sees.
///
/// `?` turns it into an abort, answered 500. [`Display`](fmt::Display) prints its causes, and
/// [`source`](StdError::source) does not return them: a failure elsewhere says nothing about this
/// transaction, and a database that classifies the error must not find another database's conflict
/// in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromiseError {
    /// Its code returned this error.
    Failed(Arc<dyn StdError + Send + Sync>),
    /// Its code panicked.
    Panicked(Arc<PanicMessage>),
    /// Its deadline, or that of its request, passed.
    Elapsed,
    /// The system could not start a thread for it.
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
