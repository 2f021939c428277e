//! `start_response`, and the `write` that it returns.

use std::sync::{Arc, Mutex, PoisonError};

use euryale_wsgi::{Exchange, Failure, Refused};
use pyo3::exceptions::{PyAssertionError, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::gil::Gil;

/// The exchange until the call has ended. An application may keep `start_response` longer.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Option<Arc<Exchange<Gil>>>>>);

impl Shared {
    pub(crate) fn new(exchange: &Arc<Exchange<Gil>>) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::clone(exchange)))))
    }

    /// Makes later calls of `start_response` and `write` fail.
    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn exchange(&self) -> PyResult<Arc<Exchange<Gil>>> {
        let exchange = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || PyAssertionError::new_err("the call of the application has ended");
        exchange.clone().ok_or_else(ended)
    }
}

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(frozen, module = "euryale")]
pub(crate) struct StartResponse(pub(crate) Shared);

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn __call__(
        &self,
        status: &str,
        headers: &Bound<'_, PyList>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        let exchange = self.0.exchange()?;
        let fields: Vec<(Bound<'_, PyString>, Bound<'_, PyString>)> = headers
            .iter()
            .map(|field| {
                let field = field.cast_into::<PyTuple>()?;
                field.extract()
            })
            .collect::<PyResult<_>>()
            .map_err(|_| PyTypeError::new_err("a header is not a tuple of two strings"))?;
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| Ok((name.to_str()?, value.to_str()?)))
            .collect::<PyResult<_>>()?;
        // `exc_info` may be an empty tuple, which means no exception.
        let exc_info = exc_info.filter(|info| info.is_truthy().unwrap_or(true));
        match exchange.start_response(status, fields, exc_info.is_some()) {
            Ok(()) => Ok(Write(self.0.clone())),
            Err(Refused::Reraise) => Err(raised(exc_info)),
            Err(other) => Err(refused(&other)),
        }
    }
}

/// Returns the exception in `exc_info`, to be raised again.
fn raised(exc_info: Option<&Bound<'_, PyAny>>) -> PyErr {
    let value = exc_info.and_then(|info| info.get_item(1).ok());
    value.map_or_else(|| refused(&Refused::Reraise), PyErr::from_value)
}

/// `write(block)`.
#[pyclass(frozen, module = "euryale")]
pub(crate) struct Write(Shared);

#[pymethods]
impl Write {
    fn __call__(&self, block: &Bound<'_, PyBytes>) -> PyResult<()> {
        self.0.exchange()?.write(block.as_bytes()).map_err(raise)
    }
}

fn refused(refused: &Refused) -> PyErr {
    if refused.is_assertion() {
        PyAssertionError::new_err(refused.to_string())
    } else {
        PyValueError::new_err(refused.to_string())
    }
}

/// Converts a failure into a Python exception.
pub(crate) fn raise(failure: Failure<PyErr>) -> PyErr {
    match failure {
        Failure::Application(error) => error,
        Failure::Refused(rule) => refused(&rule),
        Failure::Incomplete(incomplete) => PyOSError::new_err(incomplete.to_string()),
    }
}
