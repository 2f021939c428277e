//! `euryale.after_commit(…)`: calls that follow an answer.

use std::cell::RefCell;
use std::sync::Arc;

use euryale::error::ErrorChain;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::answering::Answering;
use crate::answers::Asked;
use crate::call::{Call, PlacedCall};
use crate::pass::Pass;

thread_local! {
    /// The call of the application that this worker makes.
    static CURRENT: RefCell<Option<Arc<Pass>>> = const { RefCell::new(None) };
}

/// Marks a call of the application on this thread as the current one until it is dropped.
pub(crate) struct Current(());

impl Current {
    pub(crate) fn set(pass: &Arc<Pass>) -> Self {
        CURRENT.set(Some(Arc::clone(pass)));
        Self(())
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Makes a call in a thread outside the workers once this call of the application has ended with an
/// answer. It is not made after an exception, a suspension or a conflict.
///
/// It exists only in memory: it is lost if the process ends before it does.
#[pyfunction]
#[pyo3(signature = (function, /, *arguments, **keywords))]
pub(crate) fn after_commit(
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
) -> PyResult<()> {
    let outside = || PyRuntimeError::new_err("this thread is not in a call of the application");
    let pass = CURRENT.with_borrow(Option::clone).ok_or_else(outside)?;
    let place = pass.lane().reserve()?;
    let call = Call {
        function,
        arguments,
        keywords,
    };
    pass.add(PlacedCall { call, place })
}

/// Makes the call in the lane. An exception is logged.
pub(crate) async fn make(answering: Arc<Answering>, asked: Arc<Asked>, after: PlacedCall) {
    let PlacedCall { call, place } = after;
    let of = Arc::clone(&asked);
    let made = place.run(&of, move |py| {
        if let Err(error) = call.make(py) {
            answering.log(py, &asked, "a call after the commit failed", &error);
        }
    });
    if let Err(error) = made.await {
        let error = ErrorChain::new(&error);
        tracing::error!("a call after the commit was not made: {error}");
    }
}
