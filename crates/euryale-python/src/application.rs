//! A WSGI application as a publisher.

use std::sync::Arc;

use euryale::body::{Early, EarlyAnswers};
use euryale::error::LANE_FULL;
use euryale::promise::{Promises, PromisesExt};
use euryale::request::InternalRequest;
use euryale::transaction::Access;
use euryale::{Abort, Error, Ledger, Publisher, Request, Response, Transaction};
use euryale_wsgi::{AnswerBudget, Exchange, Failure, Incomplete, Limits};
use http::Method;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::after_commit::{self, Current};
use crate::again::{Again, Conflict, OwnDatabase};
use crate::answers::{Asked, internal_error};
use crate::at_work::AtWork;
use crate::body::RequestBody;
use crate::debugging;
use crate::deferred::{self, Deferred};
use crate::environ::{Address, Environ};
use crate::exceptions::{LaneFull, Suspend};
use crate::exit;
use crate::file::Kinds;
use crate::gil::Gil;
use crate::iterable::Returned;
use crate::lane::Lanes;
use crate::offload::FilePaths;
use crate::page::PyPage;
use crate::pass::Pass;
use crate::promises::PyPromises;
use crate::sendfile::Sendfile;
use crate::start::{Shared, StartResponse, raise};
use crate::stream::{self, Stream};
use crate::transforms::Choices;

/// Calls the application in a worker. Transactions are handled by the application, and end before
/// its callable returns.
pub(crate) struct Application(Arc<Inner>);

pub(crate) struct Inner {
    callable: Py<PyAny>,
    environ: Environ,
    pub(crate) kinds: Kinds,
    pub(crate) limits: Limits,
    pub(crate) budget: AnswerBudget,
    sendfile: Sendfile,
    paths: FilePaths,
    choices: Choices,
    /// Whether error pages have the traceback.
    debug: bool,
    logger: Py<PyAny>,
    at_work: AtWork,
    pub(crate) lanes: Lanes,
    /// How much of an answer may wait for its client once it has begun to leave.
    pub(crate) early: EarlyAnswers,
    pub(crate) ledger: Ledger,
}

/// The bounds of answers, and the files that they may name.
pub(crate) struct Answers {
    pub(crate) limits: Limits,
    pub(crate) budget: AnswerBudget,
    pub(crate) ledger: Ledger,
    pub(crate) sendfile: Sendfile,
    pub(crate) paths: FilePaths,
    /// What the application may choose for its pages.
    pub(crate) choices: Choices,
    /// Whether error pages have the traceback.
    pub(crate) debug: bool,
}

impl Application {
    pub(crate) fn new(
        py: Python<'_>,
        callable: Py<PyAny>,
        address: Address,
        answers: Answers,
        at_work: AtWork,
        lanes: &Lanes,
    ) -> PyResult<Self> {
        let logging = py.import("logging")?;
        let Answers {
            limits,
            budget,
            ledger,
            sendfile,
            paths,
            choices,
            debug,
        } = answers;
        Ok(Self(Arc::new(Inner {
            callable,
            environ: Environ::new(py, address)?,
            kinds: Kinds::new(py)?,
            limits,
            early: EarlyAnswers::new()
                .spill(budget.clone())
                .bound(limits.total),
            budget,
            ledger,
            sendfile,
            paths,
            choices,
            debug,
            logger: logging.call_method1("getLogger", ("euryale",))?.unbind(),
            at_work,
            lanes: lanes.clone(),
        })))
    }

    /// How much of an answer may wait for its client once it has begun to leave.
    pub(crate) fn early_answers(&self) -> &EarlyAnswers {
        &self.0.early
    }
}

/// The end of a call without an exception.
enum Ended {
    /// Its iterable has ended, with the exception that `close()` raised, if any.
    Iterated(Option<PyErr>),
    /// It has left its answer to a call in the lane.
    Deferred(Response),
    /// It goes on in the lane.
    Streaming(Response),
}

impl Inner {
    fn answer(
        self: &Arc<Self>,
        py: Python<'_>,
        request: &Request,
        asked: &Arc<Asked>,
        pass: &Arc<Pass>,
        early: Option<Early>,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Response, Failure<PyErr>> {
        let exchange = Exchange::new(request.method(), self.limits, &self.budget);
        let exchange = Arc::new(exchange.with_unlock(Gil).with_early(early));
        let shared = Shared::new(&exchange);
        let environ = self.environ(py, request, asked, pass, &shared);
        let environ = environ.map_err(Failure::Application)?;
        let ended = self.call(
            py,
            asked,
            environ,
            &exchange,
            shared.clone(),
            is_client_gone,
        );
        let ran = match ended {
            Ok(Ended::Streaming(response)) => return Ok(response),
            Ok(Ended::Deferred(response)) => {
                shared.end();
                return exchange
                    .incomplete()
                    .map_or(Ok(response), |incomplete| Err(incomplete.into()));
            }
            Ok(Ended::Iterated(closed)) => Ok(closed),
            Err(failure) => Err(failure),
        };
        shared.end();
        self.end(py, asked, &exchange, ran)
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

    /// Returns the dictionary for this call.
    fn environ<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
        asked: &Arc<Asked>,
        pass: &Arc<Pass>,
        call: &Shared,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.environ.of(py, request)?;
        environ.set_item(
            intern!(py, "euryale.promises"),
            PyPromises::new(pass, &request.promises()),
        )?;
        environ.set_item(
            intern!(py, "euryale.body"),
            RequestBody::new(request.body()),
        )?;
        environ.set_item(intern!(py, "euryale.history"), pass.history())?;
        // A request to the site itself is for a part of a page.
        let is_part = InternalRequest::of(request.extensions()).is_some();
        environ.set_item(intern!(py, "euryale.is_part"), is_part)?;
        if self.choices.is_some() && !is_part {
            let page = PyPage::new(&self.choices, asked, call);
            environ.set_item(intern!(py, "euryale.page"), page)?;
        }
        Ok(environ)
    }

    /// Calls the application.
    fn call(
        self: &Arc<Self>,
        py: Python<'_>,
        asked: &Arc<Asked>,
        environ: Bound<'_, PyDict>,
        exchange: &Arc<Exchange<Gil>>,
        shared: Shared,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Ended, Failure<PyErr>> {
        let returned = Bound::new(py, StartResponse(shared.clone())).and_then(|start_response| {
            let returned = self.callable.bind(py).call1((environ, start_response));
            exit::unless_child(py, returned)
        });
        let returned = returned.map_err(Failure::Application)?;
        if let Ok(deferred) = returned.cast::<Deferred>() {
            let response = self.defer(asked, deferred.get());
            return response.map(Ended::Deferred).map_err(Failure::Application);
        }
        if let Ok(stream) = returned.cast::<Stream>() {
            let iterable = stream.get().take().map_err(Failure::Application)?;
            return self.stream(py, asked, exchange, shared, iterable, is_client_gone);
        }
        let closed = exchange.run(Returned::new(returned, &self.kinds), is_client_gone)?;
        Ok(Ended::Iterated(closed))
    }

    /// Leaves an iterable to the lane. It is run here if it is a file, if `write` was called before,
    /// or if the lane is full: the answer is then collected, and no client is refused for that.
    fn stream(
        self: &Arc<Self>,
        py: Python<'_>,
        asked: &Arc<Asked>,
        exchange: &Arc<Exchange<Gil>>,
        shared: Shared,
        iterable: Py<PyAny>,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Ended, Failure<PyErr>> {
        let returned = Returned::new(iterable.bind(py).clone(), &self.kinds);
        if asked.method == Method::HEAD {
            return exchange.run_for_head(returned).map(Ended::Iterated);
        }
        if exchange.is_untouched()
            && !returned.is_file()
            && let Ok(place) = self.lanes.streams.reserve()
        {
            // This right belongs to the worker.
            exchange.allow_early(None);
            let call = stream::Call {
                inner: Arc::clone(self),
                asked: Arc::clone(asked),
                exchange: Arc::clone(exchange),
                shared,
            };
            return Ok(Ended::Streaming(stream::response(call, iterable, place)));
        }
        exchange.run(returned, is_client_gone).map(Ended::Iterated)
    }

    /// Takes the call that makes the answer.
    fn defer(self: &Arc<Self>, asked: &Arc<Asked>, deferred: &Deferred) -> PyResult<Response> {
        let call = deferred.take()?;
        let place = self.lanes.calls.reserve()?;
        Ok(deferred::response(self, Arc::clone(asked), call, place))
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

impl Publisher<OwnDatabase> for Application {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, OwnDatabase>,
    ) -> Result<Response, Abort> {
        let Self(inner) = self;
        let asked = Arc::new(Asked::of(request));
        let _calling = inner.at_work.begin(&asked);
        Python::attach(|py| {
            // A request that may change something is never interrupted.
            let reads = Access::of(request.method()) == Access::Read;
            let early = transaction.take_early();
            let is_client_gone = || reads && transaction.client_is_gone();
            let promises = request.promises();
            let pass = Pass::new(transaction.attempt(), &inner.lanes.calls, &asked);
            let answer = {
                let _current = Current::set(&pass);
                inner.answer(py, request, &asked, &pass, early, is_client_gone)
            };
            for call in pass.end() {
                let made = after_commit::make(Arc::clone(inner), Arc::clone(&asked), call);
                transaction.spawn_after_commit(made);
            }
            answer.map_err(|failure| inner.abort(py, &asked, &promises, failure))
        })
    }

    fn answers_head(&self) -> bool {
        true
    }
}

impl Inner {
    /// Returns how a failed call ends: with another pass or attempt, with 503, or with an error
    /// page.
    fn abort(
        &self,
        py: Python<'_>,
        asked: &Asked,
        promises: &Promises<'_>,
        failure: Failure<PyErr>,
    ) -> Abort {
        match failure {
            Failure::Application(error) if error.is_instance_of::<Suspend>(py) => {
                promises.suspend().into()
            }
            Failure::Application(error) if error.is_instance_of::<Again>(py) => {
                Abort::error(Conflict::new(py, &error))
            }
            Failure::Application(error) if error.is_instance_of::<LaneFull>(py) => {
                Abort::error(Error::with_source(LANE_FULL, error.to_string()))
            }
            failure => Abort::response(self.failed(py, asked, failure)),
        }
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
}
