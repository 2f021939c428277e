//! The values and exceptions of promises.

use std::fmt;

use euryale::promise::PromiseError;
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError};
use pyo3::prelude::*;

use crate::again::Again;
use crate::exceptions::Suspend;

/// A value. Other threads drop it without the interpreter.
pub(crate) struct Value {
    object: Py<PyAny>,
    weight: usize,
}

impl Value {
    pub(super) fn object(&self, py: Python<'_>) -> Py<PyAny> {
        self.object.clone_ref(py)
    }

    /// Returns the object's own memory in bytes, without that of objects to which it refers.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

/// An exception. Its text is made in the thread that raised it, because the runtime's threads log
/// it without the interpreter.
#[derive(Debug)]
pub(crate) struct Raised {
    error: PyErr,
    text: String,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Raised {}

/// Converts the end of a call into the outcome of its promise.
pub(super) fn of(py: Python<'_>, returned: PyResult<Py<PyAny>>) -> Result<Value, Raised> {
    let error = match returned {
        Ok(object) => {
            let weight = size(object.bind(py)).unwrap_or(0);
            return Ok(Value { object, weight });
        }
        // They would end the pass that asks for the result.
        Err(error) if error.is_instance_of::<Suspend>(py) => {
            PyRuntimeError::new_err("a promise raised euryale.Suspend")
        }
        Err(error) if error.is_instance_of::<Again>(py) => {
            PyRuntimeError::new_err("a promise raised euryale.Again")
        }
        Err(error) => error,
    };
    let text = error.to_string();
    Err(Raised { error, text })
}

fn size(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    let sys = object.py().import("sys")?;
    sys.call_method1("getsizeof", (object, 0))?.extract()
}

/// Returns the exception of a promise that has failed.
pub(super) fn raise(py: Python<'_>, error: &PromiseError) -> PyErr {
    if let PromiseError::Failed(failed) = error
        && let Some(raised) = failed.downcast_ref::<Raised>()
    {
        return raised.error.clone_ref(py);
    }
    match error {
        PromiseError::Elapsed => PyTimeoutError::new_err(error.to_string()),
        _ => PyRuntimeError::new_err(error.to_string()),
    }
}
