//! A WSGI application as a publisher.

use std::sync::Arc;

use euryale::body::{Early, EarlyAnswers};
use euryale::promise::PromisesExt;
use euryale::transaction::Access;
use euryale::{Abort, Body, Publisher, Request, Response, Transaction};
use euryale_wsgi::{AnswerBudget, Exchange, Failure, Incomplete, Limits, Unlock};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::again::{Conflict, OwnDatabase};
use crate::at_work::AtWork;
use crate::environ::{Address, Environ};
use crate::exit;
use crate::file::Kinds;
use crate::iterable::Returned;
use crate::lane::Lane;
use crate::promises::{Pass, PyPromises, Suspend};
use crate::start::{Shared, StartResponse, raise};

/// The time after which a client may try again, in seconds. It is long because room is only freed
/// as fast as clients read.
const RETRY_SECONDS: &str = "10";

/// Calls the application in a worker. Transactions are handled by the application, and end before
/// its callable returns.
pub(crate) struct Application {
    callable: Py<PyAny>,
    environ: Environ,
    kinds: Kinds,
    limits: Limits,
    budget: AnswerBudget,
    logger: Py<PyAny>,
    at_work: AtWork,
    lane: Lane,
}

impl Application {
    pub(crate) fn new(
        py: Python<'_>,
        callable: Py<PyAny>,
        address: Address,
        limits: Limits,
        budget: AnswerBudget,
        at_work: AtWork,
        lane: &Lane,
    ) -> PyResult<Self> {
        let logging = py.import("logging")?;
        Ok(Self {
            callable,
            environ: Environ::new(py, address)?,
            kinds: Kinds::new(py)?,
            limits,
            budget,
            logger: logging.call_method1("getLogger", ("euryale",))?.unbind(),
            at_work,
            lane: lane.clone(),
        })
    }

    /// How much of an answer may wait for its client once it has begun to leave.
    pub(crate) fn early_answers(&self) -> EarlyAnswers {
        let files = self.budget.clone();
        EarlyAnswers::new().spill(files).bound(self.limits.total)
    }

    fn answer(
        &self,
        py: Python<'_>,
        request: &Request,
        pass: &Arc<Pass>,
        early: Option<Early>,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Response, Failure<PyErr>> {
        let environ = self.environ.of(py, request).and_then(|environ| {
            environ.set_item(intern!(py, "euryale.promises"), PyPromises::new(pass))?;
            Ok(environ)
        });
        let environ = environ.map_err(Failure::Application)?;
        let exchange = Exchange::new(request.method(), self.limits, &self.budget);
        let exchange = Arc::new(exchange.with_unlock(Gil).with_early(early));
        let shared = Shared::new(&exchange);
        let ended = self.call(py, environ, &exchange, shared.clone(), is_client_gone);
        shared.end();
        if let Some(incomplete) = exchange.incomplete() {
            // This applies even if the application handled the exception.
            return Err(incomplete.into());
        }
        match ended {
            Ok(None) => {}
            Ok(Some(error)) => self.log(py, request, "close() of its iterable failed", &error),
            Err(error) => {
                exchange.discard();
                return Err(error);
            }
        }
        if let Some(wrong) = exchange.wrong_length() {
            tracing::warn!("{} {}: {wrong}", request.method(), request.uri().path());
        }
        exchange.finish()
    }

    /// Calls the application, and returns the exception that `close()` raised, if any.
    fn call(
        &self,
        py: Python<'_>,
        environ: Bound<'_, PyDict>,
        exchange: &Exchange<Gil>,
        shared: Shared,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Option<PyErr>, Failure<PyErr>> {
        let returned = Bound::new(py, StartResponse(shared)).and_then(|start_response| {
            let returned = self.callable.bind(py).call1((environ, start_response));
            exit::unless_child(py, returned)
        });
        let returned = returned.map_err(Failure::Application)?;
        exchange.run(Returned::new(returned, &self.kinds), is_client_gone)
    }

    /// Logs an error with its traceback.
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

impl Publisher<OwnDatabase> for Application {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, OwnDatabase>,
    ) -> Result<Response, Abort> {
        let _calling = self.at_work.begin(request);
        Python::attach(|py| {
            // A request that may change something is never interrupted.
            let reads = Access::of(request.method()) == Access::Read;
            let early = transaction.take_early();
            let is_client_gone = || reads && transaction.client_is_gone();
            let promises = request.promises();
            let pass = Arc::new(Pass::new(&promises, &self.lane));
            let answer = self.answer(py, request, &pass, early, is_client_gone);
            pass.end();
            answer.map_err(|failure| match failure {
                Failure::Application(error) if error.is_instance_of::<Suspend>(py) => {
                    promises.suspend().into()
                }
                failure => self.abort(py, request, failure),
            })
        })
    }

    fn answers_head(&self) -> bool {
        true
    }
}

impl Application {
    /// Returns how a failed call ends: with another attempt, or with an error page.
    fn abort(&self, py: Python<'_>, request: &Request, failure: Failure<PyErr>) -> Abort {
        if let Failure::Application(raised) = &failure
            && let Some(conflict) = Conflict::of(py, raised)
        {
            return Abort::error(conflict);
        }
        Abort::response(self.failed(py, request, failure))
    }

    /// Logs why there is no answer. The client gets no details of an exception.
    fn failed(&self, py: Python<'_>, request: &Request, failure: Failure<PyErr>) -> Response {
        let incomplete = match failure {
            Failure::Incomplete(incomplete) => incomplete,
            other => {
                let error = raise(other);
                self.log(py, request, "the application failed", &error);
                return internal_error();
            }
        };
        let path = request.uri().path();
        match incomplete {
            // The client will not read the answer, and the line in the access log has already been
            // written.
            Incomplete::ClientGone => internal_error(),
            // The budgets themselves log that no room or no descriptor is left.
            Incomplete::NoRoom | Incomplete::NoDescriptor => no_room(request),
            other => {
                tracing::error!("{} {path}: {other}", request.method());
                if other.is_temporary() {
                    no_room(request)
                } else {
                    internal_error()
                }
            }
        }
    }
}

/// Releases the GIL during work on the disk.
#[derive(Debug)]
pub(crate) struct Gil;

impl Unlock for Gil {
    fn unlocked<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // The worker is already attached to the interpreter, so this only returns its token.
        Python::attach(|py| py.detach(work))
    }
}

/// Returns the error page for an exception, without any details.
fn internal_error() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n")
}

/// Returns the response if there is no room for the answer. The application has carried out the
/// request, so the client is invited to repeat it only if its method is safe.
fn no_room(request: &Request) -> Response {
    if Access::of(request.method()) == Access::Write {
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server has no room for the answer. Your request may have been carried out.\n",
        );
    }
    let mut response = plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "The server has no room for the answer now. Try again in a moment.\n",
    );
    let seconds = HeaderValue::from_static(RETRY_SECONDS);
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
