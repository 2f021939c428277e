//! One call of an application, while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use euryale::transaction::Attempt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::answers::Asked;
use crate::call::PlacedCall;
use crate::lane::Lane;

/// One call of an application, with the calls that follow it.
pub(crate) struct Pass {
    /// The calls that follow. `None` once this call has ended.
    after: Mutex<Option<Vec<PlacedCall>>>,
    lane: Lane,
    asked: Arc<Asked>,
    attempt: Attempt,
}

impl Pass {
    pub(crate) fn new(attempt: &Attempt, lane: &Lane, asked: &Arc<Asked>) -> Arc<Self> {
        Arc::new(Self {
            after: Mutex::new(Some(Vec::new())),
            lane: lane.clone(),
            asked: Arc::clone(asked),
            attempt: attempt.clone(),
        })
    }

    /// Ends the call, and returns the calls that follow it. Later uses of the promises fail,
    /// because nobody would wait for them.
    pub(crate) fn end(&self) -> Vec<PlacedCall> {
        self.lock().take().unwrap_or_default()
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(crate) fn asked(&self) -> &Arc<Asked> {
        &self.asked
    }

    /// Returns the number of this attempt, which grows with each conflict, and the number of this
    /// pass, which grows with each suspension. Both begin at 1.
    pub(crate) fn history(&self) -> (u32, u32) {
        (self.attempt.number(), self.attempt.pass())
    }

    pub(crate) fn add(&self, after: PlacedCall) -> PyResult<()> {
        self.lock().as_mut().ok_or_else(ended)?.push(after);
        Ok(())
    }

    /// Checks that the call still runs.
    ///
    /// # Errors
    /// The call has ended.
    pub(crate) fn check(&self) -> PyResult<()> {
        self.lock().as_ref().map(drop).ok_or_else(ended)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<PlacedCall>>> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended() -> PyErr {
    PyRuntimeError::new_err("the call of the application has ended")
}
