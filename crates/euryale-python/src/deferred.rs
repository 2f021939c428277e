//! `euryale.deferred(…)`: an answer that a call outside the workers makes.

use std::sync::{Arc, Mutex, PoisonError};

use euryale::{Body, Response};
use euryale_wsgi::{Exchange, Failure};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::answering::Answering;
use crate::answers::Asked;
use crate::call::Call;
use crate::gil::Gil;
use crate::iterable::Returned;
use crate::lane::LanePlace;
use crate::start::{Shared, StartResponse};

/// What an application returns in place of an iterable.
#[pyclass(frozen, module = "euryale")]
pub(crate) struct Deferred(Mutex<Option<Call>>);

/// Returns an object that the application returns in place of an iterable, without a call of
/// `start_response`. Its answer is what the call returns in a thread outside the workers, once this
/// call of the application has ended: a status, a list of headers, and a body, which is `bytes` or
/// an iterable.
#[pyfunction]
#[pyo3(signature = (function, /, *arguments, **keywords))]
pub(crate) fn deferred(
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
) -> Deferred {
    Deferred(Mutex::new(Some(Call {
        function,
        arguments,
        keywords,
    })))
}

impl Deferred {
    /// Returns the call, once.
    pub(crate) fn take(&self) -> PyResult<Call> {
        let call = self.0.lock();
        let call = call.unwrap_or_else(PoisonError::into_inner).take();
        call.ok_or_else(|| PyRuntimeError::new_err("a deferred answer was returned twice"))
    }
}

/// Returns the response whose body is the answer, computed in the lane.
pub(crate) fn response(
    answering: &Arc<Answering>,
    asked: Arc<Asked>,
    call: Call,
    place: LanePlace,
) -> Response {
    let answering = Arc::clone(answering);
    let answer = async move {
        let of = Arc::clone(&asked);
        let computed = place.run(&of, move |py| answering.compute(py, &asked, call));
        computed.await
    };
    Response::new(Body::deferred(answer))
}

impl Answering {
    /// Makes the call, in a thread of the lane. An exception is logged, and becomes an error page.
    fn compute(&self, py: Python<'_>, asked: &Asked, call: Call) -> Response {
        let exchange = self.exchange(&asked.method);
        let ran = self.call_deferred(py, &exchange, call);
        self.end(py, asked, &exchange, ran)
            .unwrap_or_else(|failure| self.failed(py, asked, failure))
    }

    /// Returns the exception that `close()` raised, if any.
    fn call_deferred(
        &self,
        py: Python<'_>,
        exchange: &Arc<Exchange<Gil>>,
        call: Call,
    ) -> Result<Option<PyErr>, Failure<PyErr>> {
        let body = begin(py, exchange, call).map_err(Failure::Application)?;
        // Iterating bytes would yield numbers.
        if let Ok(block) = body.cast::<PyBytes>() {
            exchange.write(block.as_bytes())?;
            return Ok(None);
        }
        exchange.run(Returned::new(body, &self.kinds), || false)
    }
}

/// Makes the call and begins the answer. Returns its body.
fn begin<'py>(
    py: Python<'py>,
    exchange: &Arc<Exchange<Gil>>,
    call: Call,
) -> PyResult<Bound<'py, PyAny>> {
    let (status, headers, body) = parts(call.make(py)?.bind(py))?;
    let shared = Shared::new(exchange);
    let start_response = Bound::new(py, StartResponse(shared.clone()))?;
    let started = start_response.call1((status, headers));
    shared.end();
    started.map(|_| body)
}

type Parts<'py> = (Bound<'py, PyAny>, Bound<'py, PyList>, Bound<'py, PyAny>);

fn parts<'py>(returned: &Bound<'py, PyAny>) -> PyResult<Parts<'py>> {
    let wrong = |_| PyTypeError::new_err("a deferred call returned no (status, headers, body)");
    returned.extract::<Parts<'py>>().map_err(wrong)
}
