//! Makes the answers of calls, whether their iterables run in a worker or in a lane.

use std::sync::Arc;

use euryale::body::EarlyAnswers;
use euryale::{Ledger, Response};
use euryale_wsgi::{AnswerBudget, Exchange, Failure, Incomplete, Limits};
use http::Method;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::answers::{Asked, internal_error};
use crate::debugging;
use crate::file::Kinds;
use crate::gil::Gil;
use crate::lane::Lanes;
use crate::offload::FilePaths;
use crate::sendfile::Sendfile;
use crate::start::raise;

/// The bounds of answers, and the files that they may name.
pub(crate) struct Answers {
    pub(crate) limits: Limits,
    pub(crate) budget: AnswerBudget,
    pub(crate) ledger: Ledger,
    pub(crate) sendfile: Sendfile,
    pub(crate) paths: FilePaths,
    pub(crate) lanes: Lanes,
    /// Whether error pages have the traceback.
    pub(crate) debug: bool,
}

/// Makes the answers of an application.
pub(crate) struct Answering {
    pub(crate) kinds: Kinds,
    /// How much of an answer may wait for its client once it has begun to leave.
    pub(crate) early: EarlyAnswers,
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Lanes,
    limits: Limits,
    budget: AnswerBudget,
    sendfile: Sendfile,
    paths: FilePaths,
    debug: bool,
    logger: Py<PyAny>,
}

impl Answering {
    pub(crate) fn new(py: Python<'_>, answers: Answers) -> PyResult<Self> {
        let logging = py.import("logging")?;
        let Answers {
            limits,
            budget,
            ledger,
            sendfile,
            paths,
            lanes,
            debug,
        } = answers;
        let early = EarlyAnswers::new().spill(budget.clone());
        Ok(Self {
            kinds: Kinds::new(py)?,
            early: early.bound(limits.total),
            ledger,
            lanes,
            limits,
            budget,
            sendfile,
            paths,
            debug,
            logger: logging.call_method1("getLogger", ("euryale",))?.unbind(),
        })
    }

    /// Begins the answer to a request of this method.
    pub(crate) fn exchange(&self, method: &Method) -> Arc<Exchange<Gil>> {
        let exchange = Exchange::new(method, self.limits, &self.budget);
        Arc::new(exchange.with_unlock(Gil))
    }

    /// Returns the answer of an iterable that has ended, with the exception that its `close()`
    /// raised, if any.
    pub(crate) fn end(
        &self,
        py: Python<'_>,
        asked: &Asked,
        exchange: &Exchange<Gil>,
        ran: Result<Option<PyErr>, Failure<PyErr>>,
    ) -> Result<Response, Failure<PyErr>> {
        if let Some(incomplete) = exchange.incomplete() {
            // This applies even if the application handled the exception.
            return Err(incomplete.into());
        }
        match ran {
            Ok(closed) => self.log_close(py, asked, closed),
            Err(failure) => {
                exchange.discard();
                return Err(failure);
            }
        }
        if let Some(wrong) = exchange.wrong_length() {
            tracing::warn!("{asked}: {wrong}");
        }
        self.finish(py, asked, exchange)
    }

    /// Returns the answer, with the file that it names.
    fn finish(
        &self,
        py: Python<'_>,
        asked: &Asked,
        exchange: &Exchange<Gil>,
    ) -> Result<Response, Failure<PyErr>> {
        let answer = exchange.finish()?;
        let answer = self.sendfile.fill(py, asked, answer);
        Ok(asked.marked(self.paths.name(answer)))
    }

    /// Logs why there is no answer. The client gets no details of an exception.
    pub(crate) fn failed(
        &self,
        py: Python<'_>,
        asked: &Asked,
        failure: Failure<PyErr>,
    ) -> Response {
        let incomplete = match failure {
            Failure::Incomplete(incomplete) => incomplete,
            other => {
                let error = raise(other);
                self.log(py, asked, "the application failed", &error);
                let page = self.debug.then(|| debugging::page(py, &error).ok());
                return page.flatten().unwrap_or_else(internal_error);
            }
        };
        match incomplete {
            // The client will not read the answer, and the line in the access log has already been
            // written.
            Incomplete::ClientGone => internal_error(),
            // The budgets themselves log that no room or no descriptor is left.
            Incomplete::NoRoom | Incomplete::NoDescriptor => asked.no_room(),
            other => {
                tracing::error!("{asked}: {other}");
                if other.is_temporary() {
                    asked.no_room()
                } else {
                    internal_error()
                }
            }
        }
    }

    /// Logs the exception that `close()` of an iterable raised, if any. The answer is sent, because
    /// the application has made all of it.
    pub(crate) fn log_close(&self, py: Python<'_>, asked: &Asked, closed: Option<PyErr>) {
        if let Some(error) = closed {
            self.log(py, asked, "close() of its iterable failed", &error);
        }
    }

    /// Logs an error with its traceback.
    pub(crate) fn log(&self, py: Python<'_>, asked: &Asked, what: &str, error: &PyErr) {
        let said = || -> PyResult<()> {
            let keywords = PyDict::new(py);
            keywords.set_item("exc_info", error.clone_ref(py).into_value(py))?;
            let arguments = ("%s: %s", asked.to_string(), what);
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
