//! A WSGI application as a publisher.

use std::sync::Arc;

use euryale::{Abort, Body, Publisher, Request, Response, Transaction};
use euryale_wsgi::{Exchange, Limits};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::environ::{Address, Environ};
use crate::file::Kinds;
use crate::iterable::Returned;
use crate::start::{Shared, StartResponse, raise};
use crate::workers::AtWork;

/// Calls the application, in a worker. The transaction is the application's own: it has ended
/// before the callable returns.
pub(crate) struct Application {
    callable: Py<PyAny>,
    environ: Environ,
    kinds: Kinds,
    limits: Limits,
    logger: Py<PyAny>,
    at_work: AtWork,
}

impl Application {
    pub(crate) fn new(
        py: Python<'_>,
        callable: Py<PyAny>,
        address: Address,
        limits: Limits,
        at_work: AtWork,
    ) -> PyResult<Self> {
        let logging = py.import("logging")?;
        Ok(Self {
            callable,
            environ: Environ::new(py, address)?,
            kinds: Kinds::new(py)?,
            limits,
            logger: logging.call_method1("getLogger", ("euryale",))?.unbind(),
            at_work,
        })
    }

    fn answer(&self, py: Python<'_>, request: &Request) -> PyResult<Response> {
        let environ = self.environ.of(py, request)?;
        let exchange = Arc::new(Exchange::new(request.method(), self.limits));
        let shared = Shared::new(&exchange);
        let ended = self.call(py, environ, &exchange, shared.clone());
        shared.end();
        if let Some(error) = ended? {
            self.log(py, request, "close() of its iterable failed", &error);
        }
        exchange.finish().map_err(raise)
    }

    /// Calls the application, and returns what `close()` raised.
    fn call(
        &self,
        py: Python<'_>,
        environ: Bound<'_, PyDict>,
        exchange: &Exchange,
        shared: Shared,
    ) -> PyResult<Option<PyErr>> {
        let start_response = Bound::new(py, StartResponse(shared))?;
        let returned = self.callable.bind(py).call1((environ, start_response))?;
        exchange
            .run(Returned::new(returned, &self.kinds))
            .map_err(raise)
    }

    /// One entry of the log, with the traceback.
    fn log(&self, py: Python<'_>, request: &Request, what: &str, error: &PyErr) {
        let said = || -> PyResult<()> {
            let keywords = PyDict::new(py);
            keywords.set_item("exc_info", error.clone_ref(py).into_value(py))?;
            let path = request.uri().path();
            let arguments = ("%s %s: %s", request.method().as_str(), path, what);
            self.logger
                .bind(py)
                .call_method(intern!(py, "error"), arguments, Some(&keywords))
                .map(drop)
        };
        if said().is_err() {
            tracing::error!(%error, "an application failed, and so did the log");
        }
    }
}

impl Publisher<()> for Application {
    fn publish(
        &self,
        request: &Request,
        _transaction: &mut Transaction<'_, ()>,
    ) -> Result<Response, Abort> {
        let _calling = self
            .at_work
            .begin(|| format!("{} {}", request.method(), request.uri().path()));
        Python::attach(|py| {
            self.answer(py, request).map_err(|error| {
                self.log(py, request, "the application failed", &error);
                Abort::response(failed())
            })
        })
    }

    fn answers_head(&self) -> bool {
        true
    }
}

/// What the client sees of an exception: nothing.
fn failed() -> Response {
    let mut response = Response::new(Body::from("Internal Server Error\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
