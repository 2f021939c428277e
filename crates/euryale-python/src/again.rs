//! `euryale.Again`: an application asks for another attempt after a conflict.
//!
//! The attempt follows as in the other hosts of the stack: after a pause without a worker, and the
//! last one exclusively.

use std::fmt;

use euryale::BoxError;
use euryale::transaction::{Begin, Database, Fault};
use pyo3::create_exception;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

create_exception!(
    euryale,
    Again,
    PyBaseException,
    "Publish the request again, because its transaction met a conflict.\n\n\
     Raise it once the transaction has been rolled back, best ``from`` the conflict. The pause\n\
     before the next attempt holds no worker. It derives from ``BaseException``, so that\n\
     ``except Exception`` lets it pass. After the first block of an early answer nothing is\n\
     published again, and ``close()`` is too late for it."
);

/// The error of a call that raised [`Again`]. Its text is made in the worker, because the threads
/// that log it have no GIL.
#[derive(Debug)]
pub(crate) struct Conflict(String);

impl Conflict {
    /// Creates the error for an [`Again`].
    pub(crate) fn new(py: Python<'_>, raised: &PyErr) -> Self {
        Self(match raised.cause(py) {
            Some(cause) => format!("{raised}, from {cause}"),
            None => raised.to_string(),
        })
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Conflict {}

/// The database of the pool. The application has its own connections and transactions, and raises
/// [`Again`] after a conflict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnDatabase;

impl Database for OwnDatabase {
    type Connection = ();

    fn connect(&self) -> Result<(), BoxError> {
        Ok(())
    }

    fn begin(&self, _connection: &mut (), _begin: Begin) -> Result<(), BoxError> {
        Ok(())
    }

    fn commit(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&self, _connection: &mut ()) -> Result<(), BoxError> {
        Ok(())
    }

    fn classify(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        if error.is::<Conflict>() {
            Fault::Conflict
        } else {
            Fault::Other
        }
    }
}
