//! The failures of promises.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use euryale_core::BoxError;
use euryale_core::error::{ErrorChain, PanicMessage};

/// The reason why a promise has no value. The next pass gets it like a value.
///
/// `?` turns it into an abort, which is answered 500. The client does not see the causes. To show
/// it something, match the error in the publisher and answer with a page, or return an error with
/// [`telling`](euryale_core::Error::telling). [`Display`](fmt::Display) prints the causes, but
/// [`source`](StdError::source) does not return them. A failure elsewhere says nothing about this
/// transaction, and a database that classifies the error must not find another database's conflict
/// in its sources.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromiseError {
    /// The promise's code returned this error.
    Failed(Arc<dyn StdError + Send + Sync>),
    /// The promise's code panicked.
    Panicked(Arc<PanicMessage>),
    /// The deadline of the promise or of its request has passed.
    Elapsed,
    /// The system could not start a thread for the promise.
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
